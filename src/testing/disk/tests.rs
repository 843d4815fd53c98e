//! What the disk does when something goes wrong, step by step.

use super::{Disk, Fault, Lost, Mode, Plan, Platter, Profile, Refusal, Strike};
use std::collections::BTreeSet;

const CREATE: Mode = Mode { create: true, exclusive: false, delete_on_close: false, journal: true };

fn disk(strike: Option<(Fault, u64)>) -> Disk {
    let strike = strike.map(|(fault, call)| Strike { fault, call });
    Disk::new(Profile::Unix, Platter::default(), Plan::new(strike))
}

fn platter(disk: &Disk) -> Platter {
    let mut platter = Platter::default();
    disk.record().iter().for_each(|op| platter.apply(op));
    platter
}

fn contents(platter: &Platter) -> Vec<(String, Vec<u8>)> {
    let image = platter.kept();
    image.files().map(|(name, content)| (name.clone(), content.to_vec())).collect()
}

fn all_lost(pieces: usize) -> Lost {
    Lost { pieces: (0..pieces).collect::<BTreeSet<_>>(), names_kept: 0, ..Lost::nothing() }
}

#[test]
fn where_power_stays_on_what_is_unsynced_may_still_be_lost() -> Result<(), Refusal> {
    let disk = disk(None);
    for name in ["/shop/a", "/depot/b"] {
        let file = disk.open(Some(name), CREATE)?;
        disk.sync(file)?;
        disk.write(file, 0, b"milk")?;
    }
    let cut = platter(&disk).cut(|machine| machine == "shop", &all_lost(1));
    let [depot, shop] = &contents(&cut)[..] else { panic!() };
    assert_eq!((&depot.1[..], &shop.1[..]), (&b"milk"[..], &b""[..]));
    let again = cut.cut(|machine| machine == "depot", &all_lost(1));
    assert_eq!(contents(&again)[0].1, b"");
    assert_ne!(cut.unsynced(), again.unsynced());
    Ok(())
}

#[test]
fn a_folders_sync_covers_no_other_folder() -> Result<(), Refusal> {
    let disk = disk(None);
    let _archive = disk.open(Some("/shop/archive/old"), CREATE)?;
    disk.sync(disk.open(Some("/shop/data/new"), CREATE)?)?;
    let cut = platter(&disk).cut(|_| true, &all_lost(0));
    let names: Vec<String> = contents(&cut).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["/shop/data/new"]);
    Ok(())
}

#[test]
fn a_file_may_grow_without_its_content() -> Result<(), Refusal> {
    let disk = disk(None);
    let file = disk.open(Some("/shop/a"), CREATE)?;
    disk.write(file, 0, b"bread")?;
    disk.sync(file)?;
    disk.write(file, 5, b"milk")?;
    let grown = Lost { grown: true, names_kept: Lost::ALL_NAMES, ..all_lost(1) };
    let cut = platter(&disk).cut(|_| true, &grown);
    assert_eq!(contents(&cut)[0].1, b"bread\0\0\0\0");
    Ok(())
}

#[test]
fn a_write_fails_in_the_middle() -> Result<(), Refusal> {
    for fault in [Fault::Write, Fault::Full] {
        let disk = disk(Some((fault, 0)));
        let file = disk.open(Some("/shop/a"), CREATE)?;
        assert_eq!(disk.write(file, 0, b"milk"), Err(Refusal::Fault(fault)));
        assert_eq!(contents(&platter(&disk))[0].1, b"mi");
    }
    Ok(())
}

#[test]
fn a_file_is_deleted_though_the_call_fails() -> Result<(), Refusal> {
    let disk = disk(Some((Fault::FolderSync, 0)));
    disk.sync(disk.open(Some("/shop/a"), CREATE)?)?;
    assert_eq!(disk.delete("/shop/a", true), Err(Refusal::Fault(Fault::FolderSync)));
    assert_eq!(contents(&platter(&disk)), []);
    let cut = platter(&disk).cut(|_| true, &all_lost(0));
    assert_eq!(contents(&cut).len(), 1, "and may be back after a power cut");
    Ok(())
}
