//! The manifests of `deploy/kubernetes`: a cluster would accept them, and their pod, run as a
//! kubelet would, keeps its notes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use end_to_end::ack::AckLog;
use end_to_end::bucket::Objects;
use end_to_end::judge::{State, judge};
use end_to_end::now_ms;
use end_to_end::pod::image::Image;
use end_to_end::pod::manifests::{build, copy, fill_in, objects, source, validate};
use end_to_end::pod::network;
use end_to_end::pod::node::Node;
use end_to_end::pod::spec::Pod;
use end_to_end::replica::Replica;
use end_to_end::scene::{Scene, scene};
use end_to_end::weed::{ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFs};

/// The store's port in the pod's network.
const STORE_PORT: u16 = 8333;
const DATABASE: &str = "hedgedoc.sqlite";
const LIFE: Duration = Duration::from_secs(6);

/// `sync-interval: 1s`, the time of a PUT, and a busy machine's slack.
const BOUND_MS: f64 = 4000.0;

/// HedgeDoc's notes in [`end_to_end::app`].
const NOTES: u64 = 6;

#[test]
fn a_cluster_accepts_the_manifests() {
    scene(|scene| {
        for (dir, kinds) in [("base", 6), ("examples/ntfy", 6)] {
            let said = validate(&build(&source().join(dir))?)?;
            println!("{said}");
            ensure!(said.matches(" passed ").count() == kinds, "{dir}: {said}");
        }
        // A schema that lets everything pass would let this pass, too.
        let broken = build(&source().join("base"))?.replace("restartPolicy:", "restartPolice:");
        let refused = validate(&broken).unwrap_err().to_string();
        ensure!(refused.contains("restartPolice"), "{refused}");
        the_monitor_can_be_added(scene)
    });
}

/// Its kind is not Kubernetes' own, and so no schema knows it.
fn the_monitor_can_be_added(scene: &Scene) -> Result<()> {
    let dir = scene.fresh("kubernetes");
    copy(&dir)?;
    let file = dir.join("base/kustomization.yaml");
    let text = fs::read_to_string(&file)?
        .replace("# components:", "components:")
        .replace("#   - ../components", "  - ../components");
    fs::write(&file, text)?;
    let kinds: Vec<_> = objects(&build(&dir.join("base"))?)?
        .iter()
        .map(|object| object["kind"].clone())
        .collect();
    ensure!(kinds.contains(&"PodMonitor".into()), "{kinds:?}");
    Ok(())
}

/// The pod of the base, with settings filled in as a user fills them in.
fn pod(scene: &Scene, settings: &[(&str, &str)]) -> Result<Pod> {
    let dir = scene.fresh("kubernetes");
    copy(&dir)?;
    fill_in(&dir.join("base/kustomization.yaml"), settings)?;
    Pod::of(&objects(&build(&dir.join("base"))?)?)
}

/// Visitors come and a pod goes on while the bucket is away: the app needs none.
#[test]
fn no_probe_makes_an_outage_of_the_bucket_one_of_the_app() -> Result<()> {
    for dir in ["base", "examples/ntfy"] {
        let pod = Pod::of(&objects(&build(&source().join(dir))?)?)?;
        let mut asked = 0;
        for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
            let (startup, liveness) = (&container.startup_probe, &container.liveness_probe);
            for probe in [startup, liveness, &container.readiness_probe] {
                let Some(probe) = probe else { continue };
                let path = &probe.http_get.path;
                asked += 1;
                ensure!(
                    path != "/readyz",
                    "{dir}: {} is asked {path}",
                    container.name
                );
            }
        }
        // Startup and liveness of Seawall, and those with readiness of the app.
        ensure!(asked == 5, "{dir}: {asked} probes");
    }
    Ok(())
}

#[test]
fn a_container_writes_only_to_its_volumes_and_has_no_rights() {
    scene(|scene| {
        let pod = pod(scene, &[])?;
        let node = Node::place(scene, &pod)?;
        let container = &pod.spec.init_containers[0];
        let image = Image::pull(&container.image, &scene.dir().join("images"))?;
        let script = "
            for place in / /usr /etc /etc/seawall /etc/seawall/seawall.yml /proc; do
                if (echo x >$place/x || echo x >$place) 2>/dev/null; then echo wrote to $place; fi
            done
            touch /data/x || echo did not write to /data
            while read -r _ _ _ _ point options _; do
                [ $point != / ] || echo root is ${options%%,*}
            done </proc/self/mountinfo
            id -u; id -g; id -G
            grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status";
        let words = ["/usr/bin/sh", "-c", script].map(str::to_owned);
        let said = node.run(container, &image, &words)?;
        let said = said.wait(LIFE)?.ok()?.output;
        let mut lines: Vec<&str> = said.lines().collect();
        lines.sort_unstable();
        let wanted = [
            "10000",
            "10000",
            "10000",
            "CapBnd:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
            "root is ro",
        ];
        ensure!(lines == wanted, "{said}");
        ensure!(node.volume("data").join("x").exists());
        Ok(())
    });
}

#[test]
fn pods_that_are_killed_or_stopped_find_their_notes_again() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let Objects::S3 { prefix, .. } = &replica.objects else {
            anyhow::bail!("not on S3");
        };
        let pod = pod(
            scene,
            &[
                ("DOMAIN", "notes.test"),
                ("S3_ENDPOINT", &format!("http://127.0.0.1:{STORE_PORT}")),
                ("S3_BUCKET", BUCKET),
                ("S3_PATH", prefix),
                ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
                ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
                ("CMD_SESSION_SECRET", "0123456789abcdef"),
            ],
        )?;
        network::enter(STORE_PORT, weed.store.s3)?;

        let mut node = Node::place(scene, &pod)?;
        node.initialise()?;
        let database = node.volume("data").join(DATABASE);
        ensure!(!database.exists(), "restored from nothing");
        node.start_apps()?;
        std::thread::sleep(LIFE);
        let killed_ms = now_ms();
        let said = node.output("app");
        node.lose()?;
        let acks = AckLog::read(&said)?;

        let mut node = Node::place(scene, &pod)?;
        node.initialise()?;
        let database = node.volume("data").join(DATABASE);
        let second = State::read(&database).context("after the kill")?;
        let verdict = judge(&State::default(), &acks.acks, &second, killed_ms, BOUND_MS)?;
        println!(
            "killed: {} kept, lost {:?} ms",
            verdict.kept, verdict.lost_ages_ms
        );
        ensure!(verdict.kept > 0, "nothing was kept");
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&database)?);
        ensure!(mode & 0o7777 == 0o600, "mode {mode:o}");
        node.start_apps()?;
        std::thread::sleep(LIFE);
        let said = node.output("app");
        let ended = node.stop()?;
        println!("{ended:?}");
        let codes: Vec<_> = ended.iter().map(|e| (e.name.as_str(), e.code)).collect();
        ensure!(
            codes == [("app", Some(0)), ("seawall", Some(0))],
            "{codes:?}"
        );
        let acks = AckLog::read(&said)?;
        let start = acks.start.context("the app did not start")?;
        ensure!(start.notes == NOTES && start.bad == 0 && acks.stopped);

        let mut node = Node::place(scene, &pod)?;
        node.initialise()?;
        let third = State::read(&node.volume("data").join(DATABASE)).context("after the stop")?;
        let verdict = judge(&second, &acks.acks, &third, now_ms(), 0.0)?;
        println!("stopped: {} kept", verdict.kept);
        ensure!(verdict.kept > 0 && verdict.lost_ages_ms.is_empty());
        // It was never ready, and is stopped before its app has started.
        let ended = node.stop()?;
        ensure!(ended.len() == 1 && ended[0].code == Some(0), "{ended:?}");
        Ok(())
    });
}
