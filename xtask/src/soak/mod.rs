//! A fleet under fire: many agents on the real binaries while processes are killed and stopped at random, the clock
//! steps back, a disk fills up and copies of the database are damaged.
//!
//! A ledger outside the product notes what was acknowledged, and at the end the product is held against it:
//! no acknowledged write is missing, no lock was held twice, fencing tokens rose, no job ran while it was blocked,
//! every incident had its one alert, no secret leaked, no file is damaged. The seed is printed; it repeats
//! the choices, not the interleaving.

mod acts;
mod audit;
mod chaos;
mod disk;
mod ledger;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::run::build_tools;
use ledger::Ledger;
use world::{Dice, World};

/// How much fire.
struct Plan {
    minutes: f64,
    n_agents: u64,
    n_workers: u64,
    seed: u64,
}

impl Plan {
    fn read(args: &[String]) -> Result<Self> {
        let mut plan = Self {
            minutes: 2.0,
            n_agents: 200,
            n_workers: 16,
            seed: u64::from(std::process::id()),
        };
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let value = args.next().with_context(|| format!("{flag} needs a value"))?;
            let wrong = || format!("{flag} {value} is no number");
            match flag.as_str() {
                "--minutes" => plan.minutes = value.parse().with_context(wrong)?,
                "--agents" => plan.n_agents = value.parse().with_context(wrong)?,
                "--workers" => plan.n_workers = value.parse().with_context(wrong)?,
                "--seed" => plan.seed = value.parse().with_context(wrong)?,
                _ => anyhow::bail!(
                    "soak takes --minutes, --agents, --workers and --seed, not {flag}"
                ),
            }
        }
        ensure!(plan.minutes > 0.0 && plan.minutes <= 600.0, "--minutes lies between 0 and 600");
        ensure!(plan.n_agents > 0 && plan.n_workers > 0, "a fleet has agents and workers");
        Ok(plan)
    }
}

/// Runs the fleet, prints what it did and survived, and fails on any difference to the ledger.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let plan = Plan::read(args)?;
    let bin = build_tools("dev")?;
    let world = World::new(bin)?;
    let ledger = Ledger::default();
    println!(
        "soak: {} agents, {} at once, {} minutes, seed {}",
        plan.n_agents, plan.n_workers, plan.minutes, plan.seed
    );
    world.prepare(plan.n_agents)?;
    let until = Instant::now() + Duration::from_secs_f64(plan.minutes * 60.0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.n_workers)
            .map(|n_worker| {
                let (world, ledger, plan) = (&world, &ledger, &plan);
                scope.spawn(move || {
                    let mut dice = Dice::new(plan.seed.wrapping_add(n_worker));
                    while Instant::now() < until {
                        let _under_way = world.act();
                        acts::act(world, ledger, &mut dice, n_worker, plan.n_agents);
                    }
                })
            })
            .collect();
        let chaos =
            scope.spawn(|| chaos::reign(&world, &ledger, &mut Dice::new(!plan.seed), &is_over));
        let disks = scope.spawn(|| {
            while Instant::now() < until {
                disk::fill_and_empty(&world, &ledger);
                thread::sleep(Duration::from_secs(5));
            }
        });
        for worker in workers {
            let _ = worker.join();
        }
        is_over.store(true, Ordering::SeqCst);
        let _ = chaos.join();
        let _ = disks.join();
    });
    audit::audit(&world, &ledger);
    world.stop();
    ledger.print();
    ensure!(
        ledger.violations() == 0,
        "{} violations; repeat with --seed {}",
        ledger.violations(),
        plan.seed
    );
    Ok(())
}
