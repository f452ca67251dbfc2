//! A node with one pod on it: what a kubelet does from its start to its end.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::image::Image;
use super::spec::{Container, Pod, Probe, VolumeSource};
use crate::process::Running;
use crate::scene::Scene;

/// No init container of the tests takes longer.
const INIT_LIMIT: Duration = Duration::from_secs(60);

/// A pod on a node of its own: files are below `dir`, containers run as long as this lives.
pub struct Node<'a> {
    scene: &'a Scene,
    dir: PathBuf,
    pod: Pod,
    /// Native sidecars in the order in which they were started.
    sidecars: Vec<(Container, Running)>,
    apps: Vec<(Container, Running)>,
}

/// What one container said and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub name: String,
    pub code: Option<i32>,
}

impl<'a> Node<'a> {
    /// A node whose volumes are as a new pod finds them: empty, or what a ConfigMap holds.
    pub fn place(scene: &'a Scene, pod: &Pod) -> Result<Self> {
        let dir = scene.fresh("node");
        let node = Self {
            scene,
            dir,
            pod: pod.clone(),
            sidecars: Vec::new(),
            apps: Vec::new(),
        };
        for volume in &pod.spec.volumes {
            let path = node.volume(&volume.name);
            fs::create_dir_all(&path)?;
            match &volume.source {
                VolumeSource::EmptyDir(_) => {
                    // As a kubelet makes it: anybody may write, the files are fsGroup's.
                    chown(&path, Some(0), Some(pod.spec.security_context.fs_group))?;
                    fs::set_permissions(&path, Permissions::from_mode(0o2777))?;
                }
                VolumeSource::ConfigMap(map) => {
                    let files = pod.config_maps.get(&map.name);
                    for (name, text) in files.context("a volume without its ConfigMap")? {
                        fs::write(path.join(name), text)?;
                    }
                }
            }
        }
        Ok(node)
    }

    /// Where the files of a volume are.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.dir.join("volumes").join(name)
    }

    /// Where a container's stdout goes.
    pub fn output(&self, container: &str) -> PathBuf {
        self.dir.join(format!("{container}.out"))
    }

    /// Runs the init containers, one after the other; a sidecar has to have started before the
    /// next.
    pub fn initialise(&mut self) -> Result<()> {
        for container in self.pod.spec.init_containers.clone() {
            let running = self.start(&container)?;
            if container.is_sidecar() {
                self.await_probe(&container, container.startup_probe.as_ref())?;
                self.sidecars.push((container, running));
            } else {
                running.wait(INIT_LIMIT)?.ok()?;
            }
        }
        Ok(())
    }

    /// Starts the containers and waits until the pod is ready: every probe of every container
    /// says so.
    pub fn start_apps(&mut self) -> Result<()> {
        for container in self.pod.spec.containers.clone() {
            let running = self.start(&container)?;
            self.apps.push((container, running));
        }
        let all = self.apps.iter().chain(&self.sidecars);
        for (container, _) in all {
            self.await_probe(container, container.startup_probe.as_ref())?;
            self.await_probe(container, container.readiness_probe.as_ref())?;
            self.await_probe(container, container.liveness_probe.as_ref())?;
        }
        Ok(())
    }

    /// The node loses power, and its volumes with it.
    pub fn lose(mut self) -> Result<()> {
        for (_, running) in self.apps.drain(..).chain(self.sidecars.drain(..)) {
            running.kill()?;
        }
        Ok(fs::remove_dir_all(self.dir.join("volumes"))?)
    }

    /// The pod is deleted: its containers get SIGTERM, and when they have ended, its sidecars, the
    /// last one first; all within the grace period. Returns who ended how, in that order.
    pub fn stop(mut self) -> Result<Vec<Ended>> {
        let grace = Duration::from_secs(self.pod.spec.termination_grace_period_seconds);
        let end = Instant::now() + grace;
        let mut ended = Vec::new();
        for (_, running) in &self.apps {
            running.signal(libc::SIGTERM);
        }
        let wait = |(container, running): (Container, Running)| {
            let outcome = running.wait(end.saturating_duration_since(Instant::now()))?;
            let code = outcome.code();
            let name = container.name;
            anyhow::Ok(Ended { name, code })
        };
        for app in self.apps.drain(..) {
            ended.push(wait(app)?);
        }
        while let Some(sidecar) = self.sidecars.pop() {
            sidecar.1.signal(libc::SIGTERM);
            ended.push(wait(sidecar)?);
        }
        fs::remove_dir_all(self.dir.join("volumes"))?;
        Ok(ended)
    }

    fn start(&self, container: &Container) -> Result<Running> {
        let images = self.scene.dir().join("images");
        let image = Image::pull(&container.image, &images)?;
        let mut words = image.entrypoint.clone();
        words.extend(container.args.clone().unwrap_or_default());
        self.run(container, &image, &words)
    }

    /// Runs `words` in the place of a container's command.
    pub fn run(&self, container: &Container, image: &Image, words: &[String]) -> Result<Running> {
        let user = &self.pod.spec.security_context;
        ensure!(user.run_as_non_root && user.run_as_user != 0, "root");
        let security = &container.security_context;
        ensure!(
            security.read_only_root_filesystem
                && !security.allow_privilege_escalation
                && security.capabilities.drop == ["ALL"],
            "{}: container.sh confines more than the manifest asks for",
            container.name
        );
        let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("pod/container.sh");
        let mut command = Command::new("unshare");
        command.arg("--mount").arg(runner).arg(&image.root);
        for id in [user.run_as_user, user.run_as_group, user.fs_group] {
            command.arg(id.to_string());
        }
        command.arg(image.directory);
        for (source, target) in &image.files {
            command.arg(format!("{}:{target}:ro", source.display()));
        }
        for mount in &container.volume_mounts {
            image.make_place(&mount.mount_path, true)?;
            let access = if mount.read_only { "ro" } else { "rw" };
            let volume = self.volume(&mount.name);
            command.arg(format!(
                "{}:{}:{access}",
                volume.display(),
                mount.mount_path
            ));
        }
        command
            .arg("--")
            .args(words)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOSTNAME", "pod")
            .envs(self.pod.environment(container)?);
        let log = self.scene.fresh(&format!("{}.log", container.name));
        if container.is_sidecar() || container.startup_probe.is_none() {
            return Running::start(&container.name, &mut command, &log);
        }
        let output = File::create(self.output(&container.name))?;
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(File::create(&log)?);
        Running::spawn(&container.name, &mut command, &log)
    }

    /// Asks as often as the probe says, and gives up when it says so.
    fn await_probe(&self, container: &Container, probe: Option<&Probe>) -> Result<()> {
        let Some(probe) = probe else { return Ok(()) };
        let mut last = Ok(());
        for _ in 0..probe.failure_threshold {
            last = ask(container, probe);
            if last.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_secs(probe.period_seconds));
        }
        last.with_context(|| format!("{}: {}", container.name, probe.http_get.path))
    }
}

fn ask(container: &Container, probe: &Probe) -> Result<()> {
    let get = &probe.http_get;
    let port = container.ports.iter().find(|port| port.name == get.port);
    let port = port.context("a probe of a port that is not named")?;
    let mut stream = TcpStream::connect(("127.0.0.1", port.container_port))?;
    stream.set_read_timeout(Some(Duration::from_secs(probe.timeout_seconds)))?;
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n",
        get.path
    )?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status: u16 = answer[9..].parse().context(answer.clone())?;
    ensure!((200..400).contains(&status), "status {status}");
    Ok(())
}
