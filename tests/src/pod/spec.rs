//! The part of the manifests that says what runs. A field that is not here is an error: nothing
//! that a manifest asks for is passed over in silence.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A pod, with the objects that it refers to.
#[derive(Clone, Debug)]
pub struct Pod {
    pub spec: Spec,
    pub config_maps: Data,
    pub secrets: Data,
}

/// The values of ConfigMaps or Secrets, by name and key.
pub type Data = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    pub termination_grace_period_seconds: u64,
    pub security_context: PodSecurity,
    pub init_containers: Vec<Container>,
    pub containers: Vec<Container>,
    pub volumes: Vec<Volume>,
    /// Nothing else gives a pod of the tests a token or other Services' names.
    #[serde(rename = "automountServiceAccountToken")]
    _token: IgnoredAny,
    #[serde(rename = "enableServiceLinks")]
    _links: IgnoredAny,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurity {
    pub run_as_non_root: bool,
    pub run_as_user: u32,
    pub run_as_group: u32,
    pub fs_group: u32,
    #[serde(rename = "seccompProfile")]
    _seccomp: IgnoredAny,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub args: Option<Vec<String>>,
    #[serde(default)]
    pub env: Vec<Variable>,
    #[serde(default)]
    pub env_from: Vec<EnvFrom>,
    #[serde(default)]
    pub ports: Vec<Port>,
    pub startup_probe: Option<Probe>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub volume_mounts: Vec<Mount>,
    pub security_context: Security,
    pub restart_policy: Option<String>,
    #[serde(rename = "resources")]
    _resources: IgnoredAny,
}

impl Container {
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Security {
    pub allow_privilege_escalation: bool,
    pub read_only_root_filesystem: bool,
    pub capabilities: Capabilities,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    pub drop: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    name: String,
    value: Option<String>,
    value_from: Option<ValueFrom>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ValueFrom {
    ConfigMapKeyRef(KeyOf),
    SecretKeyRef(KeyOf),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyOf {
    name: String,
    key: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvFrom {
    ConfigMapRef(Name),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    pub name: String,
    pub container_port: u16,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    pub http_get: HttpGet,
    pub period_seconds: u64,
    /// Kubernetes' own defaults.
    #[serde(default = "three")]
    pub failure_threshold: u32,
    #[serde(default = "one")]
    pub timeout_seconds: u64,
}

fn three() -> u32 {
    3
}

fn one() -> u64 {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGet {
    pub path: String,
    pub port: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    pub name: String,
    pub mount_path: String,
    #[serde(default)]
    pub read_only: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Volume {
    pub name: String,
    #[serde(flatten)]
    pub source: VolumeSource,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VolumeSource {
    EmptyDir(IgnoredAny),
    ConfigMap(Name),
}

impl Pod {
    /// The pod of the one Deployment among `objects`.
    pub fn of(objects: &[Value]) -> Result<Self> {
        let of_kind = |kind: &'static str| objects.iter().filter(move |o| o["kind"] == kind);
        let deployment = of_kind("Deployment").next().context("no Deployment")?;
        let spec = Spec::deserialize(&deployment["spec"]["template"]["spec"])?;
        let secret = |text: &str| Ok(String::from_utf8(BASE64_STANDARD.decode(text)?)?);
        Ok(Self {
            spec,
            config_maps: data(of_kind("ConfigMap"), |text| Ok(text.to_owned()))?,
            secrets: data(of_kind("Secret"), secret)?,
        })
    }

    /// The variables of a container, in the order in which they are given.
    pub fn environment(&self, container: &Container) -> Result<Vec<(String, String)>> {
        let mut found: Vec<(String, String)> = Vec::new();
        for EnvFrom::ConfigMapRef(map) in &container.env_from {
            let values = self
                .config_maps
                .get(&map.name)
                .context("no such ConfigMap")?;
            found.extend(values.clone());
        }
        for variable in &container.env {
            let value = match &variable.value_from {
                Some(ValueFrom::ConfigMapKeyRef(key)) => value_of(&self.config_maps, key)?,
                Some(ValueFrom::SecretKeyRef(key)) => value_of(&self.secrets, key)?,
                None => {
                    let mut value = variable.value.clone().unwrap_or_default();
                    for (name, known) in &found {
                        value = value.replace(&format!("$({name})"), known);
                    }
                    value
                }
            };
            found.push((variable.name.clone(), value));
        }
        Ok(found)
    }
}

fn data<'a>(
    objects: impl Iterator<Item = &'a Value>,
    decode: impl Fn(&str) -> Result<String>,
) -> Result<Data> {
    let mut all = Data::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().context("no name")?;
        let mut values = BTreeMap::new();
        for (key, value) in object["data"].as_object().context("no data")? {
            let text = value.as_str().context("a value that is no text")?;
            values.insert(key.clone(), decode(text)?);
        }
        all.insert(name.to_owned(), values);
    }
    Ok(all)
}

fn value_of(data: &Data, key: &KeyOf) -> Result<String> {
    let value = data.get(&key.name).and_then(|values| values.get(&key.key));
    Ok(value.with_context(|| format!("no {key:?}"))?.clone())
}
