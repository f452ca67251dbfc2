//! The way to a store: its name, a connection, TLS.

use super::report::Section;
use crate::objects::{Examination, TlsFault};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// A resolver that is away keeps silent for this long with one server, twice.
const LOOKING_UP: Duration = Duration::from_secs(10);
const CONNECTING: Duration = Duration::from_secs(5);

const DNS: &str = "DNS";
const TCP: &str = "connection";
const TLS: &str = "TLS";

/// False: nobody can be asked anything.
pub async fn check(section: &mut Section, store: &Examination) -> bool {
    if let Some(variable) = proxy(store.is_https()) {
        let because = format!("requests go through the proxy that {variable} names");
        section.skip(&[DNS, TCP, TLS], &because);
        return true;
    }
    let Some(addresses) = check_dns(section, store).await else {
        section.skip(&[TCP, TLS], "the name does not resolve");
        return false;
    };
    let Some(address) = check_tcp(section, &addresses).await else {
        section.skip(&[TLS], "there is no connection");
        return false;
    };
    check_tls(section, store, address).await
}

/// The variable that names a proxy for such requests, if one is set.
fn proxy(https: bool) -> Option<&'static str> {
    let own = if https {
        ["HTTPS_PROXY", "https_proxy"]
    } else {
        ["HTTP_PROXY", "http_proxy"]
    };
    let mut names = own.into_iter().chain(["ALL_PROXY", "all_proxy"]);
    names.find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

async fn check_dns(section: &mut Section, store: &Examination) -> Option<Vec<SocketAddr>> {
    let host = store.host();
    if let Ok(address) = host.parse::<IpAddr>() {
        section.ok(DNS, "not needed: the endpoint is an address");
        return Some(vec![SocketAddr::new(address, store.port())]);
    }
    let found = match timeout(LOOKING_UP, lookup_host((host, store.port()))).await {
        Ok(Ok(found)) => found.collect::<Vec<_>>(),
        Ok(Err(error)) => return no_name(section, store, &error.to_string()),
        Err(_) => {
            let text = format!("no answer within {} s", LOOKING_UP.as_secs());
            return no_name(section, store, &text);
        }
    };
    if found.is_empty() {
        return no_name(section, store, "the name has no address");
    }
    let addresses: BTreeSet<String> = found.iter().map(|at| at.ip().to_string()).collect();
    let addresses = addresses.into_iter().collect::<Vec<_>>().join(", ");
    section.ok(DNS, format!("{host} is {addresses}"));
    Some(found)
}

fn no_name<T>(section: &mut Section, store: &Examination, why: &str) -> Option<T> {
    let host = store.host();
    let mut remedy = "correct `endpoint`, or the resolver of this machine (/etc/resolv.conf; in \
                      Kubernetes dnsPolicy and network policies)"
        .to_owned();
    let in_name = host.starts_with(&format!("{}.", store.location().bucket));
    if in_name && store.location().endpoint.is_some() {
        remedy
            .push_str("; if the store knows no buckets by host name, set `force-path-style: true`");
    } else if in_name {
        remedy.push_str("; a store other than AWS needs an `endpoint`");
    }
    section.fault(DNS, format!("{host} does not resolve: {why}"), remedy);
    None
}

async fn check_tcp(section: &mut Section, addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let mut refusals = Vec::new();
    let mut refused = false;
    for address in addresses {
        match timeout(CONNECTING, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                section.ok(TCP, format!("{address} answers"));
                return Some(*address);
            }
            Ok(Err(error)) => {
                refused |= error.kind() == ErrorKind::ConnectionRefused;
                refusals.push(format!("{address}: {error}"));
            }
            Err(_) => {
                let seconds = CONNECTING.as_secs();
                refusals.push(format!("{address}: no answer within {seconds} s"));
            }
        }
    }
    let (text, remedy) = if refused {
        (
            "nothing listens there",
            "check host and port of `endpoint`, and whether the store runs",
        )
    } else {
        (
            "there is no way to the store",
            "check `endpoint`, firewalls, network policies and routes between here and there",
        )
    };
    section.fault(TCP, format!("{text} ({})", refusals.join("; ")), remedy);
    None
}

/// False: TLS is wanted and does not come about.
async fn check_tls(section: &mut Section, store: &Examination, address: SocketAddr) -> bool {
    if !store.is_https() {
        if store.is_near() {
            section.ok(
                TLS,
                "none: plain HTTP on this machine or its private network",
            );
        } else {
            section.warn(
                TLS,
                "none: what is replicated goes over the network for all to read",
                "begin the `endpoint` with https://",
            );
        }
        return true;
    }
    let blocking = store.clone();
    let shaken = tokio::task::spawn_blocking(move || blocking.shake_hands(address)).await;
    let shaken = shaken.unwrap_or_else(|error| Err(TlsFault::Other(error.to_string())));
    match shaken {
        Ok(()) if store.location().skip_verify => {
            section.warn(
                TLS,
                "`skip-verify` is set: whoever answers is believed, also one who only listens in",
                "name the authority's certificate in AWS_CA_BUNDLE and take `skip-verify` out",
            );
            true
        }
        Ok(()) => {
            section.ok(TLS, "the certificate is believed");
            true
        }
        Err(fault) => {
            match in_words(&fault, store.host()) {
                Some((text, remedy)) => section.fault(TLS, text, remedy),
                None => section.skip(&[TLS], "the trusted certificates cannot be read"),
            }
            false
        }
    }
}

/// What is wrong and what to do; `None` for what is told where the store is opened.
fn in_words(fault: &TlsFault, host: &str) -> Option<(String, &'static str)> {
    Some(match fault {
        TlsFault::Setup => return None,
        TlsFault::AuthorityItself => (
            format!("the certificate of {host} is that of an authority, as self-signed ones are"),
            "give the store a certificate of its own (with CA:FALSE) that is signed by that one, \
             and let AWS_CA_BUNDLE name the authority's; or set `skip-verify: true`",
        ),
        TlsFault::UnknownAuthority => (
            format!("the certificate of {host} was signed by nobody that is known here"),
            "let AWS_CA_BUNDLE (or SSL_CERT_FILE) name the PEM file of the authority that signed \
             it",
        ),
        TlsFault::WrongName => (
            format!("the certificate is not made out to {host}"),
            "write the name that stands in the certificate as `endpoint`; if only the bucket's \
             name in front is too much, set `force-path-style: true`",
        ),
        TlsFault::Expired => (
            format!("the certificate of {host} has expired"),
            "renew it on the store; if it is new, check this machine's clock",
        ),
        TlsFault::NotYetValid => (
            format!("the certificate of {host} is not valid yet"),
            "check this machine's clock: it may be slow",
        ),
        TlsFault::NoTls => (
            format!("what answers at {host} does not speak TLS"),
            "begin the `endpoint` with http:// if the store speaks plain HTTP, or correct its port",
        ),
        TlsFault::Other(text) => (
            format!("the TLS handshake with {host} fails: {text}"),
            "check `endpoint`, and what stands between here and there",
        ),
    })
}
