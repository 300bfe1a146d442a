//! The example server as a real process: signals, exit status, and what goes to stdout and stderr.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(10);

fn echo(args: &[&str]) -> Command {
    // Cargo builds examples with the tests, but says where to the tests of no library.
    let tests = env::current_exe().unwrap();
    let path: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples/echo");
    assert!(path.exists(), "no {}: run `cargo test -p waystone-instance`", path.display());
    let mut command = Command::new(path);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("MMO_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running server, killed if a test ends without its end.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut child = echo(args).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self { child, stdout, address: line.trim().parse().unwrap() }
    }

    /// A client that is served: its bytes came back.
    fn client(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client.write_all(b"!").unwrap();
        client.read_exact(&mut [0]).unwrap();
        client
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until the port is closed: the server drains.
    fn wait_for_drain(&self) {
        let deadline = Instant::now() + SOON;
        while TcpStream::connect(self.address).is_ok() {
            assert!(Instant::now() < deadline, "still listening");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The exit status, the rest of stdout, and stderr.
    fn end(mut self) -> (Option<i32>, String, String) {
        let deadline = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "still running");
            thread::sleep(Duration::from_millis(5));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (status.code(), out, err)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn texts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_signal_waits_for_the_clients_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&["--log-format=json"]);
        let mut client = server.client();
        server.signal(signal);
        server.wait_for_drain();
        client.write_all(b"?").unwrap();
        client.read_exact(&mut [0]).unwrap();
        drop(client);
        let (status, out, err) = server.end();
        assert_eq!((status, out.as_str()), (Some(0), ""), "{err}");
        for line in err.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect(line);
        }
        assert!(err.contains(&format!("draining: SIG{signal}")), "{err}");
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    let server = Server::start(&["--drain-s=3600"]);
    let _client = server.client();
    server.signal("TERM");
    server.wait_for_drain();
    server.signal("TERM");
    assert_eq!(server.end().0, Some(130));
}

#[test]
fn a_drain_past_its_deadline_is_a_failure_that_names_the_task() {
    let server = Server::start(&["--drain-s=1"]);
    let client = server.client();
    server.signal("TERM");
    let address = client.local_addr().unwrap();
    let (status, _, err) = server.end();
    assert_eq!(status, Some(1), "{err}");
    assert!(err.contains(&format!("aborted: client {address}\n")), "{err}");
}

#[test]
fn a_failed_start_is_told_in_one_line_with_its_cause() {
    let taken = Server::start(&[]);
    let listen = format!("--listen={}", taken.address);
    let error = format!("cannot listen on {} for clients: Address already in use", taken.address);
    for log in ["--log=error", "--log=off"] {
        let (status, out, err) = texts(echo(&[&listen, log]).output().unwrap());
        assert_eq!((status, out.as_str(), err.lines().count()), (Some(1), "", 1), "{err}");
        assert!(err.contains(&error), "{err}");
    }
}

#[test]
fn a_bad_configuration_is_told_in_one_line() {
    let mut command = echo(&[]);
    let (status, out, err) = texts(command.env("MMO_DRAIN_S", "soon").output().unwrap());
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert_eq!(
        err,
        "map: bad value for `drain_s` from env MMO_DRAIN_S: \"soon\": \
         give a whole number\n"
    );
}

#[test]
fn the_configuration_is_printed_to_stdout_and_nothing_is_started() {
    let mut command = echo(&["--print-config", "--drain-s=7"]);
    let (status, out, err) = texts(command.env("MMO_REALM", "test").output().unwrap());
    assert_eq!((status, err.as_str()), (Some(0), ""));
    let table: toml::Table = out.parse().unwrap();
    assert_eq!(table["drain_s"].as_integer(), Some(7));
    assert!(out.contains("realm = \"test\"  # from env MMO_REALM\n"), "{out}");
}
