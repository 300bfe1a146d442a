//! What the documents say of subjects and settings is what the programs have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use harness::{Program, program};
use nats::table::{LINES, ROOT};
use serde_json::Value;

/// Which programs have a setting, by its key.
type Keys = BTreeMap<String, BTreeSet<String>>;

const PROGRAMS: [&str; 3] = ["central", "map-spawn", "map"];

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands in backticks in a cell of a table.
fn ticked(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn architecture_has_every_subject_and_no_other() {
    let text = document("ARCHITECTURE.md");
    let (_, section) = text.split_once("\n## Subjects\n").expect("a section on subjects");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let first = rows.filter_map(|row| row.split_once(" |")).map(|(cell, _)| format!("`{cell}"));
    let told: BTreeSet<String> = first.flat_map(|cell| ticked(&cell).collect::<Vec<_>>()).collect();
    let known: BTreeSet<String> = LINES.iter().map(|line| line.subject.to_owned()).collect();
    assert_eq!(told, known);
}

#[test]
fn the_asyncapi_document_has_every_subject_and_no_other() {
    let text = document("docs/protocol/backbone.asyncapi.json");
    let document: Value = serde_json::from_str(&text).unwrap();
    let channels = document["channels"].as_object().unwrap().values();
    let told: BTreeSet<&str> = channels.filter_map(|channel| channel["address"].as_str()).collect();
    let address = |subject: &str| format!("{ROOT}.{{realm}}.{}", subject.replace('*', "{id}"));
    let known: Vec<String> = LINES.iter().map(|line| address(line.subject)).collect();
    assert_eq!(told, known.iter().map(String::as_str).collect());
}

/// A key a line: `key = value  # from …`, or `# key is not set (…)`.
async fn known_keys() -> Keys {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = Keys::new();
    for name in PROGRAMS {
        let server = Program::new(name, program(name), folder.path()).arg("--print-config");
        let server =
            if name == "map" { server.args(["--id", "m", "--map", "town"]) } else { server };
        let (status, out, log) = server.run(Duration::from_secs(20)).await;
        assert!(status.success(), "{log}");
        for line in out.lines() {
            let key = line.trim_start_matches("# ").split(' ').next().unwrap().to_owned();
            keys.entry(key).or_default().insert(name.to_owned());
        }
    }
    keys
}

fn told_keys() -> Keys {
    let text = document("README.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let programs = |cell: &str| -> BTreeSet<String> {
        match cell {
            "all" => PROGRAMS.map(str::to_owned).into(),
            some => some.split(", ").map(str::to_owned).collect(),
        }
    };
    let told = rows.filter_map(|(key, rest)| Some((key, rest.split_once(" |")?.0)));
    told.map(|(key, cell)| (key.to_owned(), programs(cell))).collect()
}

#[tokio::test]
async fn the_readme_has_every_setting_of_every_program_and_no_other() {
    assert_eq!(told_keys(), known_keys().await);
}
