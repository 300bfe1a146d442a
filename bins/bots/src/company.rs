//! Bots with accounts and characters of their own, made before anything is measured.

use anyhow::Context;
use protocol::{CharacterId, Code, Failure};
use tokio::task::JoinSet;

use crate::lobby::{Lobby, Login};

/// Logins at once: enough to keep the cores of a Central busy that hashes passwords.
const AT_ONCE: usize = 16;
/// The password of them all.
pub(crate) const PASSWORD: &str = "bots on a journey";

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) account: String,
    pub(crate) login: Login,
    pub(crate) character: CharacterId,
}

/// So many of them, named `<prefix>-<number>`: the same in every run, so that a run finds those of
/// the run before.
///
/// # Errors
/// One of them is refused.
pub(crate) async fn gather(
    central: &str,
    prefix: &str,
    count: usize,
) -> anyhow::Result<Vec<Member>> {
    let mut members = Vec::with_capacity(count);
    let mut coming = JoinSet::new();
    for number in 1..=count {
        let (central, name) = (central.to_owned(), format!("{prefix}-{number}"));
        coming.spawn(async move { bring(&central, name).await });
        while coming.len() >= AT_ONCE {
            members.extend(coming.join_next().await.transpose()?.transpose()?);
        }
    }
    while let Some(member) = coming.join_next().await {
        members.push(member??);
    }
    Ok(members)
}

async fn bring(central: &str, account: String) -> anyhow::Result<Member> {
    let mut lobby = Lobby::connect(central).await?;
    let login = match lobby.register(&account, PASSWORD).await {
        Err(error) if is_taken(&error) => lobby.log_in(&account, PASSWORD).await,
        other => other,
    };
    let login = login.with_context(|| format!("{account} cannot log in"))?;
    let character = lobby.character(&account).await?.character;
    Ok(Member { account, login, character })
}

fn is_taken(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == Code::NameTaken)
}
