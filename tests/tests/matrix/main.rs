//! Either program beside the other on one bucket: each cell a test.

mod commands;
mod handover;
mod restore;
mod tidying;

use anyhow::Result;
use end_to_end::replica::Replica;
use end_to_end::scene::{Scene, scene};
use end_to_end::weed::SeaweedFs;

/// Where the replica is.
#[derive(Clone, Copy, Debug)]
enum Place {
    S3,
    Files,
}

/// Runs one test with an empty replica.
#[track_caller]
fn on(place: Place, test: impl FnOnce(&Scene, &Replica) -> Result<()>) {
    scene(|scene| match place {
        Place::S3 => {
            let weed = SeaweedFs::start()?;
            test(scene, &Replica::on_s3(weed.store))
        }
        Place::Files => test(scene, &Replica::in_files(&scene.fresh("replica"))),
    });
}

/// Names tests, and says what each of them runs.
macro_rules! cells {
    ($($name:ident: $run:ident($place:ident, $($argument:expr),*);)*) => {$(
        #[test]
        fn $name() {
            on(Place::$place, |scene, replica| $run(scene, replica, $($argument),*));
        }
    )*};
}

use cells;
