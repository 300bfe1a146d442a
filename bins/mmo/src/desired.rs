//! What is meant to run: shown, or changed.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use protocol::backbone::desired::{Desired, GetDesired, SetDesired};

use crate::{data, link::Link, talk};

#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// A TOML file with what is meant to run from now on; without it, prints what is
    file: Option<PathBuf>,

    /// Only if nobody has changed it since this revision
    #[arg(long)]
    revision: Option<u64>,

    #[command(flatten)]
    link: Link,
}

impl Wish {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let desired = self.file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            toml::from_str::<Desired>(&text)
                .with_context(|| format!("{} does not say what is meant to run", file.display()))
        });
        let desired = desired.transpose()?;
        let backbone = self.link.connect().await?;
        let state = match desired {
            Some(desired) => {
                let set = SetDesired { desired, revision: self.revision };
                backbone.call(&(), set).await?
            }
            None => backbone.call(&(), GetDesired {}).await?,
        };
        if self.file.is_none() {
            data(toml::to_string(&state.desired)?.trim_end());
        }
        talk(&format!("revision {}", state.revision));
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
