//! Kills and stops processes of the fleet at random, steps its clock back, and damages copies of its database.
//!
//! The clock is never stepped forward: a lease that has passed may be taken over, and then two work at once by
//! the rules.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::ledger::Ledger;
use super::world::{Dice, World};

/// Strikes until the workers are done.
pub(super) fn reign(world: &World, ledger: &Ledger, dice: &mut Dice, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(20 + dice.below(120)));
        match dice.below(20) {
            0 => corrupt_a_copy(world, ledger, dice),
            1 if dice.below(3) == 0 => {
                world.step_clock_back(1 + dice.below(30));
                ledger.count("steps of the clock back");
            }
            1..=5 => {
                if let Some(pid) = victim(world, dice) {
                    signal("STOP", pid);
                    thread::sleep(Duration::from_millis(dice.below(400)));
                    signal("CONT", pid);
                    ledger.count("processes stopped and continued");
                }
            }
            _ => {
                if let Some(pid) = victim(world, dice) {
                    signal("KILL", pid);
                    ledger.count("processes killed");
                }
            }
        }
    }
}

fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status();
}

/// A process of this home that may be struck. Those marked calm by their environment are spared, since
/// the ledger counts on their answers; the daemon is fair game.
fn victim(world: &World, dice: &mut Dice) -> Option<u32> {
    let mark = format!("HOME={}", world.home().display());
    let found: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            let mut is_ours = false;
            let mut is_calm = false;
            for variable in &mut variables {
                is_ours |= variable == mark.as_bytes();
                is_calm |= variable == b"SOAK_CALM=1";
            }
            is_ours && !is_calm
        })
        .collect();
    found.get(usize::try_from(dice.below(found.len() as u64)).unwrap_or(0)).copied()
}

/// A damaged database gives an answer or an error that says so; it never panics and is never repaired silently.
fn corrupt_a_copy(world: &World, ledger: &Ledger, dice: &mut Dice) {
    let copy = world.path("copy.db");
    let _ = fs::remove_file(&copy);
    if world.run("agent-state", &["backup", &copy.display().to_string()]).is_err() || !copy.exists()
    {
        return;
    }
    let Ok(mut bytes) = fs::read(&copy) else { return };
    for _ in 0..=dice.below(8) {
        let length = bytes.len() as u64;
        let place = usize::try_from(dice.below(length)).unwrap_or(0);
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1 << dice.below(8);
        }
    }
    if fs::write(&copy, bytes).is_err() {
        return;
    }
    for arguments in [&["stats"][..], &["run", "list"], &["agent", "register", "somebody"]] {
        let mut all = vec!["--db", copy.to_str().unwrap_or_default()];
        all.extend(arguments);
        if let Ok(output) = world.run("agent-state", &all)
            && !matches!(output.status.code(), Some(0 | 1 | 3) | None)
        {
            ledger.violation(format!(
                "a damaged copy gave {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    remove_with_companions(&copy);
    ledger.count("damaged copies read");
}

fn remove_with_companions(database: &Path) {
    for suffix in ["", "-wal", "-shm", ".init"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        let _ = fs::remove_file(name);
    }
}
