//! A pod's network: its own loopback, with its ports, and one way out, to the store.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context, Result, ensure};

/// Gives this thread, and the programs that it starts, a network (and mounts) of their own, in
/// which connections to `port` of 127.0.0.1 reach `store`. Takes root.
pub fn enter(port: u16, store: SocketAddr) -> Result<()> {
    // A thread stays in the network in which it was started: this one is outside.
    let (sender, listeners) = channel::<TcpListener>();
    thread::spawn(move || {
        for listener in listeners {
            for inside in listener.incoming().flatten() {
                thread::spawn(move || relay(inside, store));
            }
        }
    });
    // SAFETY: no memory effects; only this thread's view changes.
    let unshared = unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS) };
    let error = io::Error::last_os_error();
    ensure!(
        unshared == 0,
        "a pod's network takes root: {error}. Run the tests as root"
    );
    raise_loopback().context("the pod's loopback")?;
    // A listener belongs to the network in which it was made, whoever accepts.
    Ok(sender.send(TcpListener::bind(("127.0.0.1", port))?)?)
}

fn relay(inside: TcpStream, store: SocketAddr) -> io::Result<()> {
    let outside = TcpStream::connect(store)?;
    let (mut from, mut to) = (inside.try_clone()?, outside.try_clone()?);
    let there = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    let (mut from, mut to) = (outside, inside);
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = there.join();
    Ok(())
}

fn raise_loopback() -> io::Result<()> {
    // SAFETY: the request is zeroed, which is valid for it, and outlives both calls; the socket is
    // closed after them.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = libc::IFF_UP.try_into().unwrap_or_default();
        let result = libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request);
        let error = io::Error::last_os_error();
        libc::close(socket);
        if result == 0 { Ok(()) } else { Err(error) }
    }
}
