use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::Role;

/// One setting of each shape.
#[derive(Debug, clap::Args)]
struct Config {
    #[command(flatten)]
    basics: Basics,
    /// A number with a range
    #[arg(long, env = "MMO_PORT", default_value_t = 7000)]
    port: u16,
    /// An address without a default that may be absent
    #[arg(long, env = "DATABASE_URL")]
    database_url: Option<String>,
    /// A value that must be said
    #[arg(long, env = "MMO_ADVERTISE")]
    advertise: String,
    /// A list
    #[arg(long, env = "MMO_SPAWN_MAPS", value_delimiter = ',', default_value = "town")]
    spawn_maps: Vec<String>,
    /// A switch
    #[arg(long, env = "MMO_AUTOSAVE")]
    autosave: bool,
    /// A secret
    #[arg(long, env = "MMO_SPAWN_KEY", hide_env_values = true, value_parser = four_letters)]
    spawn_key: Option<String>,
}

fn four_letters(text: &str) -> Result<String, String> {
    if text.len() == 4 { Ok(text.to_owned()) } else { Err(format!("{text} has not 4 letters")) }
}

/// A process as the loader sees it.
struct Process {
    folder: TempDir,
    args: Vec<OsString>,
    env: Vec<(&'static str, String)>,
}

impl Process {
    fn new() -> Self {
        let args = ["map-spawn", "--advertise=10.0.0.1"].map(OsString::from).to_vec();
        Self { folder: tempfile::tempdir().unwrap(), args, env: Vec::new() }
    }

    fn file(mut self, text: &str) -> Self {
        fs::write(self.path(), text).unwrap();
        self.args.extend(["--config".into(), self.path().into()]);
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cluster.toml")
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    fn flag(mut self, flag: &str) -> Self {
        self.args.push(flag.into());
        self
    }

    fn load(&self) -> Result<Loaded<Config>, ConfigError> {
        let program = Program::new(Role::MapSpawn, "Map Spawn Server", "1.2.3");
        let find = |name: &OsStr| self.env.iter().find(|(known, _)| *known == name);
        load(&program, &self.args, |name| find(name).map(|(_, value)| value.into()))
    }

    fn refused(&self) -> String {
        let error = crate::chain(&self.load().unwrap_err());
        error.replace(self.path().to_str().unwrap(), "FILE")
    }

    /// The line of `--print-config` about `key`.
    fn line(&self, key: &str) -> String {
        let report = self.load().unwrap().report.to_string();
        let line = report.lines().find(|line| line.trim_start_matches("# ").starts_with(key));
        line.unwrap().replace(self.path().to_str().unwrap(), "FILE")
    }
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let process = Process::new();
    assert_eq!(process.load().unwrap().config.port, 7000);
    assert_eq!(process.line("port"), "port = 7000  # from default");

    let process = process.file("port = 7001");
    assert_eq!(process.load().unwrap().config.port, 7001);
    assert_eq!(process.line("port"), "port = 7001  # from file FILE");

    let process = process.env("MMO_PORT", "7002");
    assert_eq!(process.load().unwrap().config.port, 7002);
    assert_eq!(process.line("port"), "port = 7002  # from env MMO_PORT");

    let process = process.flag("--port=7003");
    assert_eq!(process.load().unwrap().config.port, 7003);
    assert_eq!(process.line("port"), "port = 7003  # from flag");
}

#[test]
fn an_empty_variable_is_unset() {
    let process = Process::new().file("port = 7001").env("MMO_PORT", "").env("DATABASE_URL", "");
    let config = process.load().unwrap().config;
    assert_eq!((config.port, config.database_url), (7001, None));
}

#[test]
fn the_variable_names_the_file_too() {
    let process = Process::new();
    fs::write(process.path(), "port = 7001").unwrap();
    let path = process.path().display().to_string();
    assert_eq!(process.env("MMO_CONFIG", &path).load().unwrap().config.port, 7001);
    let error = Process::new().env("MMO_CONFIG", "/no/such.toml").refused();
    assert!(error.starts_with("cannot read the configuration file /no/such.toml: "), "{error}");
}

#[test]
fn the_own_table_overrules_the_top_and_other_roles_are_passed_over() {
    let process = Process::new().file(
        "drain_s = 3\nport = 1\n[map]\ntick_hz = 20\nport = 2\n[map_spawn]\nport = 3\n[central]\nport = 4",
    );
    let Loaded { config, basics, .. } = process.load().unwrap();
    assert_eq!((config.port, basics.drain_s, config.basics.drain_s), (3, 3, 3));
}

#[test]
fn an_unknown_key_is_named_with_the_nearest() {
    for (text, error) in [
        ("prot = 1", "FILE: unknown key `prot`; did you mean `port`?"),
        ("drain-s = 1", "FILE: unknown key `drain-s`; did you mean `drain_s`?"),
        ("[map_spwan]\nport = 1", "FILE: unknown key `map_spwan`; did you mean `map_spawn`?"),
        ("map = 'town'", "FILE: unknown key `map`; it is a table: `[map]`"),
        ("[map_spawn]\nprot = 1", "FILE: unknown key `map_spawn.prot`; did you mean `port`?"),
        (
            "tick_hz = 20",
            "FILE: unknown key `tick_hz`; see map-spawn --help; \
             a setting of another program goes in its table",
        ),
        ("[map_spawn]\nconfig = 'x'", "FILE: unknown key `map_spawn.config`; see map-spawn --help"),
    ] {
        assert_eq!(Process::new().file(text).refused(), error);
    }
}

#[test]
fn a_bad_value_names_its_key_and_origin() {
    for (text, why) in [
        ("port = 70000", "port` from file FILE: \"70000\": 70000 is not in 0..=65535"),
        ("port = true", "port` from file FILE: \"true\": give a whole number"),
        ("port = [1, 2]", "port` from file FILE: it is a list; give one value"),
        ("port = {}", "port` from file FILE: it is a table; give a value"),
        ("map_spawn.port = -1", "port` from file FILE: \"-1\": -1 is not in 0..=65535"),
        (
            "admin_address = 'here'",
            "admin_address` from file FILE: \"here\": \
             give an address such as 127.0.0.1:7000 or [::1]:7000",
        ),
        ("log_format = 'xml'", "log_format` from file FILE: \"xml\": use one of human, json"),
        ("autosave = 'maybe'", "autosave` from file FILE: \"maybe\": value was not a boolean"),
    ] {
        assert_eq!(Process::new().file(text).refused(), format!("bad value for `{why}"));
    }
    let error = Process::new().env("MMO_REALM", "A B").refused();
    assert!(error.starts_with("bad value for `realm` from env MMO_REALM: \"A B\": "), "{error}");
    assert!(error.ends_with("use 1 to 32 of a-z, 0-9, _ and -"), "{error}");
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_showing_it() {
    let error = Process::new().file("port = 1\nspawn_key = hush\n").refused();
    assert!(error.starts_with("FILE, line 2: "), "{error}");
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn what_is_missing_is_named_in_every_way() {
    let mut process = Process::new();
    process.args.truncate(1);
    assert_eq!(process.refused(), "missing: flag --advertise, env MMO_ADVERTISE, key `advertise`");
    assert_eq!(process.file("advertise = 'host'").load().unwrap().config.advertise, "host");
}

#[test]
fn lists_come_from_every_origin() {
    let maps = |process: Process| process.load().unwrap().config.spawn_maps;
    assert_eq!(maps(Process::new()), ["town"]);
    assert_eq!(maps(Process::new().file("spawn_maps = ['a', 'b,c']")), ["a", "b,c"]);
    assert_eq!(maps(Process::new().file("spawn_maps = 'a,b'")), ["a", "b"]);
    assert_eq!(maps(Process::new().file("spawn_maps = []")), [""; 0]);
    assert_eq!(maps(Process::new().env("MMO_SPAWN_MAPS", "a,b")), ["a", "b"]);
    assert_eq!(maps(Process::new().flag("--spawn-maps=a,b")), ["a", "b"]);
}

#[test]
fn switches_go_on_and_off_from_every_origin() {
    let on = |process: &Process| process.load().unwrap().config.autosave;
    let process = Process::new();
    assert!(!on(&process));
    let process = process.file("autosave = true");
    assert!(on(&process));
    let process = process.env("MMO_AUTOSAVE", "0");
    assert!(!on(&process));
    assert!(!on(&Process::new().file("autosave = true").flag("--autosave=false")));
    assert!(on(&process.flag("--autosave")));
}

#[test]
fn secrets_and_passwords_are_never_shown() {
    let process = Process::new()
        .env("DATABASE_URL", "postgres://me:hush@db/mmo")
        .file("spawn_key = 'hush'\nadvertise = 'x'");
    let loaded = process.load().unwrap();
    assert_eq!(loaded.config.spawn_key.as_deref(), Some("hush"));
    assert!(!loaded.report.to_string().contains("hush"), "{}", loaded.report);
    assert_eq!(process.line("spawn_key"), "spawn_key = \"***\"  # from file FILE");
    assert_eq!(
        process.line("database_url"),
        "database_url = \"postgres://me:***@db/mmo\"  # from env DATABASE_URL"
    );
    let error = Process::new().env("MMO_SPAWN_KEY", "hush-hush").refused();
    assert_eq!(
        error,
        "bad value for `spawn_key` from env MMO_SPAWN_KEY: \"***\": *** has not 4 letters"
    );
}

#[test]
fn the_report_is_sorted_toml_that_loads_as_the_same_settings() {
    let process = Process::new()
        .file("spawn_maps = ['a\"b', 'c']\nport = '0070'\nautosave = true")
        .flag("--log=info,map=debug");
    let report = process.load().unwrap().report.to_string();
    let table: toml::Table = report.parse().unwrap();
    assert_eq!(table["port"].as_integer(), Some(70));
    assert_eq!(table["autosave"].as_bool(), Some(true));
    assert_eq!(table["spawn_maps"].as_array().unwrap().len(), 2);
    let names: Vec<&str> = report.lines().map(|l| l.trim_start_matches("# ")).collect();
    assert!(names.is_sorted(), "{report}");
    assert!(report.contains("# spawn_key is not set (flag --spawn-key, env MMO_SPAWN_KEY, key"));

    let again = Process::new().file(&report).load().unwrap();
    assert_eq!(again.config.spawn_maps, ["a\"b", "c"]);
    assert_eq!(again.basics.log.to_string(), process.load().unwrap().basics.log.to_string());
}

#[test]
fn help_names_the_variables_and_shows_no_value() {
    let error = Process::new().flag("--help").load().unwrap_err();
    let ConfigError::Usage(help) = error else { panic!("{error}") };
    assert_eq!(help.exit_code(), 0);
    let help = help.to_string();
    assert!(help.starts_with("Map Spawn Server\n"), "{help}");
    assert!(help.contains("[env: DATABASE_URL]"), "{help}");
    assert!(help.contains("--autosave[=<BOOL>]"), "{help}");
}

#[test]
fn a_bad_flag_is_clap_s_to_tell() {
    let error = Process::new().flag("--prot=1").load().unwrap_err();
    let ConfigError::Usage(usage) = error else { panic!("{error}") };
    assert_eq!(usage.exit_code(), 2);
}
