//! The program as a user meets it: help, usage, configs. Nothing here reaches a network.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The config of the article that Seawall is first of all for, with its variables filled in.
const ARTICLE: &str = "\
dbs:
  - path: /data/hedgedoc.sqlite
    replicas:
      - type: s3
        endpoint: https://s3.tebi.io
        name: hedgedoc.sqlite
        bucket: hedgedoc-backup
        path: hedgedoc.sqlite
        forcePathStyle: true
        sync-interval: 1s
        access-key-id: an-id
        secret-access-key: hunter2
";

/// An empty directory to run the program in.
struct Place(TempDir);

/// What the program said.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn with_file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        // As the program sees its working directory: without symbolic links.
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn seawall(&self, line: &str) -> Said {
        self.seawall_with(line, &[])
    }

    /// Runs the program with these words as its arguments and nothing else in its environment.
    fn seawall_with(&self, line: &str, environment: &[(&str, &str)]) -> Said {
        said(
            self.command(line)
                .envs(environment.iter().copied())
                .output()
                .unwrap(),
        )
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_clear();
        command
    }
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    #[track_caller]
    fn assert_refused(&self, with: &str) {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        assert_eq!(*code, 2, "stdout: {stdout}\nstderr: {stderr}");
        assert!(stderr.contains(with), "expected: {with}\nstderr: {stderr}");
        assert_eq!(stdout, "", "what is wrong belongs on stderr");
    }

    /// The config was read and is good: the one thing wrong is that it lacks the database.
    #[track_caller]
    fn assert_config_has(&self, databases: &str) {
        self.assert_refused(&format!("The config has: {databases}\n"));
    }
}

#[test]
fn help_is_printed_with_one_dash_or_two_and_explains_the_exit_codes() {
    let place = Place::new();
    for command in [
        "",
        "replicate ",
        "restore ",
        "ltx ",
        "status ",
        "list ",
        "info ",
        "sync ",
        "register ",
        "unregister ",
        "start ",
        "stop ",
    ] {
        for flag in ["-h", "-help", "--help"] {
            let said = place.seawall(&format!("{command}{flag}"));
            assert_eq!(
                (said.code, said.stderr.as_str()),
                (0, ""),
                "{command}{flag}"
            );
            assert!(
                said.stdout.contains("Exit codes:\n  0  "),
                "{}",
                said.stdout
            );
        }
    }
}

#[test]
fn help_tells_where_the_config_file_is_looked_for() {
    let help = Place::new().seawall("replicate --help").stdout;
    for place in [
        "$SEAWALL_CONFIG",
        "$LITESTREAM_CONFIG",
        "/etc/seawall.yml",
        "/etc/litestream.yml",
    ] {
        assert!(help.contains(place), "{place} is missing in: {help}");
    }
}

#[test]
fn the_version_is_printed_as_text_or_json() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    let text = place.seawall("version");
    assert_eq!((text.code, text.stdout), (0, format!("{version}\n")));
    let json = place.seawall("version -json").stdout;
    assert_eq!(
        json,
        format!("{{\"name\":\"seawall\",\"version\":\"{version}\"}}\n")
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let bad = "dbs: [{path: /data/a.db, replica: {url: s3://b/k}, nonsense: 1}]";
    let place = Place::new().with_file("bad.yml", bad);
    for (line, code) in [
        ("version -json", 0),
        ("--help", 0),
        ("man", 0),
        ("completions fish", 0),
        ("config schema", 0),
        ("config check -json bad.yml", 2),
        ("databases -json -config bad.yml", 2),
        ("restore -dry-run -o copy.db file:///nowhere/at/all", 5),
    ] {
        let mut command = place.command(line);
        for nobody_reads in [vec![1], vec![1, 2]] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer.try_clone().unwrap());
            if nobody_reads.contains(&2) {
                command.stderr(writer);
            }
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!said.contains("panicked"), "{line}: {said}");
        }
    }
}

#[test]
fn a_result_that_finds_no_room_is_an_error() {
    let full = || std::fs::File::options().write(true).open("/dev/full");
    for line in ["version", "config schema", "man"] {
        let place = Place::new();
        let mut command = place.command(line);
        let said = said(command.stdout(full().unwrap()).output().unwrap());
        assert_eq!(said.code, 1, "{line}");
        assert!(
            said.stderr.contains("cannot be written to stdout"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn bad_usage_exits_with_2_and_says_what_is_wrong() {
    let place = Place::new().with_file("c.yml", ARTICLE);
    for (line, message) in [
        ("", "Usage: seawall <COMMAND>"),
        ("bogus", "unrecognized subcommand 'bogus'"),
        ("restore", "DB_PATH|REPLICA_URL"),
        (
            "restore -confg c.yml /db",
            "a similar argument exists: '--config'",
        ),
        ("restore s3://b/p", "add -o PATH"),
        ("restore -config c.yml -o x s3://b/p", "not both"),
        ("restore -o x gs://b/p", "this release has: s3, file, oss"),
        (
            "restore -integrity-check some -o x s3://b/p",
            "[possible values: none, quick, full]",
        ),
        ("restore -txid 01 /db", "16 hexadecimal digits"),
        ("restore -timestamp yesterday /db", "2000-01-01T00:00:00Z"),
        ("restore -parallelism 0 /db", "1..=64"),
        ("restore -mode 999 /db", "octal"),
        ("restore -follow-interval 0s -f /db", "500ms, 10s or 5m"),
        (
            "restore -txid 0000000000000001 -timestamp 2026-01-01T00:00:00Z /db",
            "cannot be used with",
        ),
        (
            "restore -f -txid 0000000000000001 /db",
            "cannot be used with",
        ),
        (
            "restore -f -timestamp 2026-01-01T00:00:00Z /db",
            "cannot be used with",
        ),
        ("restore -f -dry-run /db", "cannot be used with"),
        ("replicate /db", "<REPLICA_URL>"),
        ("replicate -once -exec true", "cannot be used with"),
        ("replicate -force-snapshot", "--once"),
        ("replicate -enforce-retention", "--once"),
        (
            "replicate -exec 'unfinished /db file:///b",
            "missing closing quote",
        ),
        ("ltx -level 10 /db", "between 0 and 9"),
        ("register /db", "--replica"),
        ("sync -timeout 0 /db", "1..=86400"),
        ("generations /db", "use `seawall ltx`"),
        ("snapshots -config x /db", "use `seawall ltx -level 9`"),
        (
            "replicate -config c.yml /db s3://b/p",
            "cannot be used with",
        ),
        (
            "replicate /db s3://b/p s3://c/p",
            "a database has one replica",
        ),
        (
            "replicate -log-level loud",
            "trace, debug, info, warn, error",
        ),
    ] {
        place.seawall(line).assert_refused(message);
    }
}

#[test]
fn the_config_of_the_article_is_accepted_as_it_stands() {
    let place = Place::new().with_file("litestream.yaml", ARTICLE);
    let said = place.seawall("restore -config litestream.yaml /data/other");
    said.assert_config_has("/data/hedgedoc.sqlite");
    assert!(
        said.stderr
            .contains("database not found in config: /data/other"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
}

#[test]
fn a_misspelt_key_is_reported_with_file_line_column_and_the_nearest_key() {
    let typo = ARTICLE.replace("sync-interval", "sync-intervall");
    let place = Place::new().with_file("litestream.yml", &typo);
    for command in [
        "replicate -config litestream.yml",
        "restore -config litestream.yml /x",
    ] {
        let said = place.seawall(command);
        said.assert_refused("seawall: ");
        assert_eq!(
            said.stderr,
            "seawall: litestream.yml:10:9: unknown key \"sync-intervall\" in \
             dbs[0].replicas[0]; did you mean \"sync-interval\"?\n"
        );
    }
}

#[test]
fn flags_are_understood_with_one_dash_or_two_and_with_or_without_equals() {
    let place = Place::new().with_file("c.yml", ARTICLE);
    for flags in [
        "-config c.yml",
        "-config=c.yml",
        "--config c.yml",
        "--config=c.yml",
        "-config c.yml -if-db-not-exists -if-replica-exists -no-expand-env -force -json",
        "-config c.yml -if-db-not-exists=true -o=out -integrity-check=quick",
    ] {
        place
            .seawall(&format!("restore {flags} /x"))
            .assert_config_has("/data/hedgedoc.sqlite");
    }
}

#[test]
fn the_environment_names_the_config_and_our_variable_comes_first() {
    let own = ARTICLE.replace("/data/hedgedoc.sqlite", "/own");
    let place = Place::new()
        .with_file("own.yml", &own)
        .with_file("litestream.yml", ARTICLE);
    let litestream = ("LITESTREAM_CONFIG", "litestream.yml");
    let restore = |environment: &[_]| place.seawall_with("restore /x", environment);
    restore(&[litestream]).assert_config_has("/data/hedgedoc.sqlite");
    restore(&[litestream, ("SEAWALL_CONFIG", "own.yml")]).assert_config_has("/own");
    restore(&[litestream, ("SEAWALL_CONFIG", "")]).assert_config_has("/data/hedgedoc.sqlite");
}

#[test]
fn variables_in_a_config_come_from_the_environment() {
    let place = Place::new().with_file("c.yml", &ARTICLE.replace("/data/", "$DIR/"));
    let restore = |flags: &str| {
        let line = format!("restore {flags} -config c.yml /x");
        place.seawall_with(&line, &[("DIR", "/mnt")])
    };
    restore("").assert_config_has("/mnt/hedgedoc.sqlite");
    let literal = place.path("$DIR/hedgedoc.sqlite");
    restore("-no-expand-env").assert_config_has(&literal.display().to_string());
}

#[test]
fn a_missing_config_says_so_and_what_else_can_be_done() {
    let said = Place::new().seawall("replicate -config nowhere.yml");
    said.assert_refused("config file not found: nowhere.yml");
    assert!(said.stderr.contains("-config FILE"), "{}", said.stderr);
}

#[test]
fn a_config_without_databases_is_refused_by_replicate() {
    let place = Place::new().with_file("c.yml", "dbs: []\n");
    place
        .seawall("replicate -config c.yml")
        .assert_refused("c.yml names no database");
}

/// A config for a directory, with one key to be warned of on line 1.
fn with_warning(logging: &str) -> String {
    format!(
        "mcp-addr: ':9090'\nlogging: {{{logging}}}\n\
         dbs: [{{path: /nowhere/db, replica: {{path: /nowhere/backup}}}}]\n"
    )
}

const WARNING: &str = "c.yml:1:1: \"mcp-addr\" has no effect in this release: ";

#[test]
fn replicate_logs_to_stdout_unless_the_config_says_stderr() {
    let first_line = |mut stream: Box<dyn Read>| {
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).unwrap();
        line
    };
    for stderr in [false, true] {
        let config = with_warning(&format!("stderr: {stderr}"));
        let place = Place::new().with_file("c.yml", &config);
        let mut command = place.command("replicate -config c.yml");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let line = first_line(if stderr { Box::new(err) } else { Box::new(out) });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            line.contains("WARN") && line.contains(WARNING),
            "stderr {stderr}: {line}"
        );
    }
}

#[test]
fn restore_keeps_its_log_off_stdout_and_writes_json_on_request() {
    let place = Place::new().with_file("c.yml", &with_warning("type: json"));
    let said = place.seawall("restore -config c.yml -json /nowhere/db");
    assert!(!said.stdout.contains("addr"), "{}", said.stdout);
    let first: serde_json::Value =
        serde_json::from_str(said.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(first["level"], "WARN");
    assert!(
        first["message"].as_str().unwrap().starts_with(WARNING),
        "{first}"
    );
}

#[test]
fn the_log_level_is_that_of_the_flag_or_the_environment_or_the_config() {
    let place = Place::new().with_file("c.yml", &with_warning("level: error"));
    let warned = |flags: &str, environment: &[_]| {
        let line = format!("restore {flags} -config c.yml /nowhere/db");
        place
            .seawall_with(&line, environment)
            .stderr
            .contains(WARNING)
    };
    assert!(!warned("", &[]));
    assert!(warned("", &[("LOG_LEVEL", "warn")]));
    assert!(!warned("-log-level error", &[("LOG_LEVEL", "warn")]));
}
