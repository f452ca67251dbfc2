//! The page for people, in a real browser: what it shows is what is, and what it says to do works.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::browser::{Browser, Look};
use end_to_end::judge::open_copy;
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::shell::{Load, Shell};
use end_to_end::weed::SeaweedFs;
use end_to_end::{places, wait_for};

const LIMIT: Duration = Duration::from_secs(30);

/// Trouble must be on the page by then.
const SHOWN: Duration = Duration::from_secs(3);

/// One commit in so many milliseconds, of so many bytes.
const STEADY: (u32, u32) = (50, 400);

const NOTES: &str = "PRAGMA journal_mode = WAL; CREATE TABLE notes(id INTEGER PRIMARY KEY, text)";
const ONE_MORE: &str = "INSERT INTO notes(text) VALUES (randomblob(200))";

struct Stage {
    machine: Machine,
    proxy: Proxy,
    replica: Replica,
    direct: Replica,
    addr: SocketAddr,
    config: PathBuf,
    _weed: SeaweedFs,
}

/// A database with a table, the store behind a proxy, and a config that serves the page.
fn stage(scene: &Scene) -> Result<Stage> {
    let weed = SeaweedFs::start()?;
    let proxy = Proxy::start(weed.store.s3)?;
    let direct = Replica::on_s3(weed.store);
    let replica = direct.through(&proxy);
    let machine = scene.machine()?;
    let mut app = Shell::open(scene, &machine.db())?;
    app.run(NOTES)?;
    app.close()?;
    let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let settings = Settings {
        global: vec![format!("addr: {addr}"), "logging: {level: debug}".into()],
        ..Settings::default()
    };
    let config = scene.fresh("config.yml");
    fs::write(&config, replica.config(&machine.db(), &settings))?;
    Ok(Stage {
        machine,
        proxy,
        replica,
        direct,
        addr,
        config,
        _weed: weed,
    })
}

impl Stage {
    /// Starts the sidecar, and waits until its page can be opened and something is shipped.
    fn start(&self, scene: &Scene) -> Result<Running> {
        let sidecar = Program::Seawall.replicate_with(scene, &self.replica, &self.config)?;
        // Its answers, which may take this server seconds, would say that the store is there.
        wait_for("the end of the look at conditional writes", LIMIT, || {
            let said = sidecar.said()?;
            Ok(said.contains("honours conditional writes").then_some(()))
        })?;
        wait_for("the page's server", LIMIT, || {
            Ok(std::net::TcpStream::connect(self.addr).ok())
        })?;
        self.direct.wait_for_txid(1, LIMIT)?;
        Ok(sidecar)
    }

    fn open(&self, scene: &Scene) -> Result<Browser> {
        let mut browser = Browser::open(scene.dir(), self.addr, Look::default())?;
        browser.wait_for_title("All well", LIMIT)?;
        Ok(browser)
    }

    fn load(&self, scene: &Scene) -> Result<Load> {
        Load::start(scene, &self.machine.db(), STEADY.0, STEADY.1)
    }

    /// Runs a command line as a person would who has pasted it, in an empty directory. Returns how
    /// many notes are in the file that it makes.
    fn run_pasted(&self, scene: &Scene, line: &str) -> Result<u32> {
        let elsewhere = scene.machine()?;
        let seawall = places::seawall()?;
        let programs = seawall.parent().context("a program without directory")?;
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", line])
            .current_dir(elsewhere.dir())
            .env("PATH", programs);
        let log = scene.fresh("pasted.log");
        Running::start("the pasted line", &mut shell, &log)?
            .wait(LIMIT)?
            .ok()?;
        let (_dir, restored) = open_copy(&elsewhere.dir().join("restored.db"))?;
        let check: String = restored.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        ensure!(check == "ok", "{check}");
        Ok(restored.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?)
    }
}

/// The number that a text begins with, past any words before it: `TXID 17 (…)` is 17.
fn number(text: &str) -> Result<u64> {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(|letter: char| !letter.is_ascii_digit() && letter != ',');
    let digits = digits[..end.unwrap_or(digits.len())].replace(',', "");
    digits.parse().with_context(|| format!("{text:?}"))
}

#[test]
fn the_numbers_change_while_the_app_writes_and_end_where_the_replica_ends() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        let mut browser = stage.open(scene)?;
        let txid = number(&browser.field("txid")?)?;
        let puts = number(&browser.field("requests")?)?;
        let size = browser.field("size")?;

        let load = stage.load(scene)?;
        wait_for("a higher TXID on the page", LIMIT, || {
            Ok((number(&browser.field("txid")?)? > txid + 2).then_some(()))
        })?;
        wait_for("more PUTs on the page", LIMIT, || {
            Ok((number(&browser.field("requests")?)? > puts + 2).then_some(()))
        })?;
        wait_for("a larger database on the page", LIMIT, || {
            Ok((browser.field("size")? != size).then_some(()))
        })?;
        load.stop()?;

        wait_for("nothing to wait on the page", LIMIT, || {
            let told = (browser.field("lag")?, browser.field("waiting")?);
            Ok((told == ("0 s".into(), "nothing waits".into())).then_some(()))
        })?;
        let end = stage.direct.txid()?;
        wait_for("the last TXID on the page", LIMIT, || {
            Ok((number(&browser.field("txid")?)? == end).then_some(()))
        })?;
        ensure!(browser.field("txid-hex")? == format!("{end:016x}"));
        let told = browser.field("lag-told")?;
        ensure!(told.starts_with("Largest "), "{told}");
        browser.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        Ok(())
    });
}

#[test]
fn alone_an_outage_is_shown_within_three_seconds_and_is_over_when_the_store_is_back() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        let load = stage.load(scene)?;
        let mut browser = stage.open(scene)?;

        stage.proxy.set(Weather::all(Fault::Away));
        let away = Instant::now();
        browser.wait_for_title("Trouble", SHOWN)?;
        println!("shown after {} ms", away.elapsed().as_millis());
        let why = browser.field("why")?;
        ensure!(why.starts_with("Since "), "{why}");
        ensure!(browser.text(".errors li")?.contains("Not recovered"));
        // For those who listen.
        ensure!(browser.text("#news")?.contains("Trouble"));

        stage.proxy.set(Weather::default());
        let back = Instant::now();
        browser.wait_for_title("All well", LIMIT)?;
        println!("over after {} ms", back.elapsed().as_millis());
        wait_for("the error to be told as over", SHOWN, || {
            let told = browser.text(".errors li")?;
            Ok(told.contains("Recovered at").then_some(()))
        })?;
        load.stop()?;
        browser.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        Ok(())
    });
}

#[test]
fn alone_a_seawall_that_does_not_answer_is_shown_within_three_seconds() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        let mut browser = stage.open(scene)?;

        sidecar.signal(libc::SIGSTOP);
        let stopped = Instant::now();
        let shown = browser.wait_for_title("does not answer", SHOWN);
        println!("shown after {} ms", stopped.elapsed().as_millis());
        let word = browser.field("word");
        sidecar.signal(libc::SIGCONT);
        shown?;
        ensure!(word? == "was live", "an old state is told as a new one");
        browser.wait_for_title("All well", LIMIT)?;
        ensure!(browser.field("word")? == "Live");
        browser.close()?;

        // The browser itself complains about a refused connection: nothing is asked of it here.
        let mut browser = stage.open(scene)?;
        sidecar.terminate(LIMIT)?.ok()?;
        browser.wait_for_title("does not answer", SHOWN)
    });
}

#[test]
fn the_command_that_is_copied_restores_the_moment_that_is_shown() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        // Notes by the TXID that holds them.
        let mut notes = BTreeMap::from([(stage.direct.txid()?, 0)]);
        let mut app = Shell::open(scene, &stage.machine.db())?;
        for count in 1..=4 {
            app.run(ONE_MORE)?;
            let before = *notes.keys().last().context("a TXID")?;
            notes.insert(stage.direct.wait_for_txid(before + 1, LIMIT)?, count);
        }
        let newest = stage.direct.txid()?;
        let mut browser = stage.open(scene)?;
        wait_for("the newest moment on the page", LIMIT, || {
            Ok((number(&browser.field("moment")?)? == newest).then_some(()))
        })?;
        browser.click(".copy")?;
        ensure!(browser.text(".copy")? == "Copied");
        let line = browser.clipboard()?;
        ensure!(!line.contains("-txid"), "{line}");
        ensure!(stage.run_pasted(scene, &line)? == 4, "{line}");

        // The page goes on to show what is new, and the moment stays that was chosen.
        browser.click("input[type=range]")?;
        browser.press("End")?;
        browser.press("ArrowLeft")?;
        browser.press("ArrowLeft")?;
        let chosen = number(&browser.field("moment")?)?;
        ensure!(chosen < newest, "chosen {chosen} of {newest}");
        app.run(ONE_MORE)?;
        wait_for("the next TXID on the page", LIMIT, || {
            Ok((number(&browser.field("txid")?)? > newest).then_some(()))
        })?;
        ensure!(number(&browser.field("moment")?)? == chosen);
        browser.click(".copy")?;
        let line = browser.clipboard()?;
        ensure!(line.contains(&format!("-txid {chosen:016x}")), "{line}");
        let (_, count) = notes.range(..=chosen).last().context("a TXID")?;
        ensure!(stage.run_pasted(scene, &line)? == *count, "{line}");

        // One moment in two zones: Tokyo is nine hours ahead all year.
        let hour = |told: String| told[11..13].parse::<u32>().context(told);
        let (there, here) = (hour(browser.field("local")?)?, hour(browser.field("utc")?)?);
        ensure!(there == (here + 9) % 24, "{there} and {here}");
        app.close()?;
        browser.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        Ok(())
    });
}

#[test]
fn the_keyboard_reaches_everything_and_copies_without_a_clipboard_permission() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        let mut browser = Browser::open_by_name(scene.dir(), stage.addr, Look::default())?;
        browser.wait_for_title("All well", LIMIT)?;
        let mut reached = Vec::new();
        while reached
            .last()
            .is_none_or(|last: &String| !last.contains("healthz"))
        {
            ensure!(reached.len() < 20, "a trap: {reached:?}");
            browser.press("Tab")?;
            let focused = browser.focused()?;
            if focused.starts_with("copy ") {
                browser.press("Enter")?;
                ensure!(browser.text(".copy")? == "Copied");
                ensure!(browser.selected()? == browser.field("command")?);
            }
            reached.push(focused);
        }
        ensure!(
            reached.iter().any(|what| what.starts_with("copy ")),
            "{reached:?}"
        );
        ensure!(reached[0].contains("app.db"), "{reached:?}");
        browser.press("Shift+Tab")?;
        ensure!(browser.focused()? != *reached.last().context("something")?);
        browser.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        Ok(())
    });
}

#[test]
fn of_many_databases_the_page_asks_for_what_is_seen_of_open_ones() {
    scene(|scene| {
        let stage = stage(scene)?;
        let mut config = fs::read_to_string(&stage.config)?;
        for number in 0..4 {
            let path = stage.machine.dir().join(format!("{number}.db"));
            let mut app = Shell::open(scene, &path)?;
            app.run(NOTES)?;
            app.close()?;
            let bucket = scene.fresh("bucket");
            config += &format!("  - path: {}\n", path.display());
            config += &format!(
                "    replicas: [{{type: file, path: {}}}]\n",
                bucket.display()
            );
        }
        fs::write(&stage.config, config)?;
        let sidecar = stage.start(scene)?;
        let mut browser = Browser::open(scene.dir(), stage.addr, Look::default())?;
        browser.wait_for_title("All 5 databases are well", LIMIT)?;
        ensure!(
            browser.field("moment")?.is_empty(),
            "details of a closed one"
        );
        browser.click("summary")?;
        let opened = Instant::now();
        wait_for("the moment of the one that was opened", SHOWN, || {
            Ok((!browser.field("moment")?.is_empty()).then_some(()))
        })?;
        println!("shown after {} ms", opened.elapsed().as_millis());
        ensure!(browser.field("lag-told")?.starts_with("Largest "));

        // It stays up to date.
        let txid = number(&browser.field("moment")?)?;
        let mut app = Shell::open(scene, &stage.machine.db())?;
        app.run(ONE_MORE)?;
        app.close()?;
        wait_for("the next moment", LIMIT, || {
            Ok((number(&browser.field("moment")?)? > txid).then_some(()))
        })?;
        browser.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        Ok(())
    });
}

#[test]
fn of_several_databases_the_page_says_which_one_is_not_live() {
    scene(|scene| {
        let stage = stage(scene)?;
        let absent = stage.machine.dir().join("absent.db");
        let elsewhere = scene.fresh("bucket");
        let mut config = fs::read_to_string(&stage.config)?;
        config += &format!("  - path: {}\n", absent.display());
        config += &format!(
            "    replicas: [{{type: file, path: {}}}]\n",
            elsewhere.display()
        );
        fs::write(&stage.config, config)?;
        let sidecar = stage.start(scene)?;
        let mut browser = Browser::open(scene.dir(), stage.addr, Look::default())?;
        browser.wait_for_title("Not live yet: 1 of 2 databases", LIMIT)?;
        let told = browser.text("#matters")?;
        ensure!(told.contains("absent.db Waiting."), "{told}");
        ensure!(!told.contains("app.db"), "{told}");

        let mut app = Shell::open(scene, &absent)?;
        app.run(NOTES)?;
        browser.wait_for_title("All 2 databases are well", LIMIT)?;
        ensure!(browser.text("#matters")?.is_empty());
        app.close()?;
        browser.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        Ok(())
    });
}
