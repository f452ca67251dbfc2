//! Backups in Litestream 0.3's format, made by hand, are restored: the newest state and by time.
//! Litestream 0.5 restores the same ones, which shows that they are what they claim to be.

use anyhow::{Result, ensure};
use end_to_end::generations::{Generation, Kept};
use end_to_end::judge::check_integrity;
use end_to_end::pages;
use end_to_end::program::Program::{Litestream, Seawall};
use end_to_end::replica::Replica;
use end_to_end::scene::{Scene, scene};
use end_to_end::stock::shipped_to;
use end_to_end::weed::SeaweedFs;

const OLDER: &str = "0123456789abcdef";
const NEWER: &str = "fedcba9876543210";

/// States of two generations: within a WAL, after several WALs, after a second snapshot.
fn backup(scene: &Scene, replica: &Replica, page_size: u32) -> Result<Vec<Kept>> {
    let mut states = Vec::new();
    let mut older = Generation::begin(scene, &replica.objects, OLDER, page_size)?;
    older.segment()?;
    states.push(older.keep(scene)?);
    let mut newer = Generation::begin(scene, &replica.objects, NEWER, page_size)?;
    newer.segment()?;
    newer.segment()?;
    states.push(newer.keep(scene)?);
    newer.next_index()?;
    newer.segment()?;
    newer.segment()?;
    states.push(newer.keep(scene)?);
    newer.next_snapshot()?;
    newer.segment()?;
    states.push(newer.keep(scene)?);
    newer.next_index()?;
    newer.segment()?;
    states.push(newer.keep(scene)?);
    Ok(states)
}

fn restores_all(scene: &Scene, replica: &Replica, page_size: u32) -> Result<()> {
    let states = backup(scene, replica, page_size)?;
    let (newest, older) = states.split_last().expect("a backup has states");
    for reader in [Litestream, Seawall] {
        let restored = scene.fresh("restored.db");
        reader.restore(scene, replica, &restored)?;
        check_integrity(&restored)?;
        pages::assert_same(&newest.db, &restored)?;
        // Litestream refuses a time after the newest object's.
        for (at, state) in older.iter().enumerate() {
            let restored = scene.fresh("restored.db");
            let flags = ["-timestamp", state.timestamp.as_str()];
            reader
                .try_restore_of(scene, replica, &restored, &flags)?
                .ok()?;
            check_integrity(&restored)?;
            let same = pages::assert_same(&state.db, &restored);
            println!(
                "{}: state {at} at {}: {same:?}",
                reader.name(),
                state.timestamp
            );
            same?;
        }
    }
    Ok(())
}

#[test]
fn a_backup_of_0_3_in_files_is_restored_newest_and_by_time() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        restores_all(scene, &replica, 4096)
    });
}

#[test]
fn a_backup_of_0_3_on_s3_is_restored_newest_and_by_time() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        restores_all(scene, &Replica::on_s3(weed.store), 4096)
    });
}

#[test]
fn a_backup_of_0_3_may_have_any_page_size() {
    scene(|scene| {
        for page_size in [512, 65536] {
            let replica = Replica::in_files(&scene.fresh("replica"));
            let mut generation = Generation::begin(scene, &replica.objects, NEWER, page_size)?;
            generation.segment()?;
            generation.next_index()?;
            generation.segment()?;
            let newest = generation.keep(scene)?;
            let restored = scene.fresh("restored.db");
            Seawall.restore(scene, &replica, &restored)?;
            pages::assert_same(&newest.db, &restored)?;
        }
        Ok(())
    });
}

#[test]
fn a_backup_of_0_3_with_a_missing_segment_is_not_restored_as_if_it_were_whole() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        let mut generation = Generation::begin(scene, &replica.objects, NEWER, 4096)?;
        for _ in 0..3 {
            generation.segment()?;
        }
        let mut segments = replica
            .objects
            .list()?
            .into_keys()
            .filter(|key| key.contains("/wal/"));
        let middle = segments.nth(1).expect("three segments");
        replica.objects.delete(&middle)?;
        let restored = scene.fresh("restored.db");
        let outcome = Seawall.try_restore(scene, &replica, &restored)?;
        ensure!(outcome.code() != Some(0), "restored over a gap");
        ensure!(!restored.exists(), "left a file behind");
        // The number of the WAL and where in it something is missing.
        let gap = middle
            .rsplit_once('_')
            .map_or("", |(_, offset)| &offset[..8]);
        let gap = u64::from_str_radix(gap, 16)?.to_string();
        outcome.says(&gap)?;
        Ok(())
    });
}

#[test]
fn a_backup_of_0_3_gives_way_to_a_newer_one_of_0_5() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        let mut generation = Generation::begin(scene, &replica.objects, OLDER, 4096)?;
        generation.segment()?;
        let old = generation.keep(scene)?;
        let machine = shipped_to(scene, &replica)?;
        for reader in [Litestream, Seawall] {
            let restored = scene.fresh("restored.db");
            reader.restore(scene, &replica, &restored)?;
            pages::assert_same(&machine.db(), &restored)?;
            let restored = scene.fresh("restored.db");
            let flags = ["-timestamp", old.timestamp.as_str()];
            reader
                .try_restore_of(scene, &replica, &restored, &flags)?
                .ok()?;
            pages::assert_same(&old.db, &restored)?;
        }
        Ok(())
    });
}
