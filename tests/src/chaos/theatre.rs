//! The cluster that is hurt, and what is done to it: each fault's beginning and its end. What ended
//! by itself is started again, as systemd or Docker would.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use nats::Backbone;
use protocol::backbone::{
    maps::ListPeers,
    operations::GetStatus,
    spawners::{ChildState, ClearChild, ListChildren},
};
use rustix::process::Signal;

use super::{
    keep::Keep,
    layout::{CENTRALS, MAPS, SPAWNERS, write_desired, write_maps},
    plan::{Link, Service, What},
};
use crate::{
    NatsServer, Orphans, Process, Rig,
    process::{arguments, children_of, is_running, quiet_port, signal_process},
    proxy::{Proxy, Server},
};

/// A map saves its players so often, in seconds: short, so that a copy which should have been
/// fenced shows itself soon.
const SAVE_EVERY_S: &str = "2";
/// How long a spawner may take to end after SIGTERM, and a Map Server, before it is killed.
const GRACE: Duration = Duration::from_secs(12);

/// How much of the cluster there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All that is desired, at least.
    Whole,
    /// Just that: what was started in place of another has ended.
    AsDesired,
}

/// The cluster. Dropped, it ends in the order of the fields.
pub struct Theatre {
    machines: Vec<Machine>,
    centrals: Vec<Keep>,
    /// Where the Centrals listen for clients.
    pub addresses: Vec<String>,
    /// Everything else.
    pub rig: Rig,
    links: BTreeMap<Link, Proxy>,
    /// Map Servers that hang, by their places in the layout.
    hung: BTreeMap<usize, u32>,
    maps_folder: PathBuf,
    desired_file: PathBuf,
    /// Programs that ended without a fault that says so, and their last words.
    pub ended_by_themselves: Vec<String>,
}

/// A spawner and its maps.
struct Machine {
    spawner: Keep,
    /// Maps that a killed spawner has left; the next one adopts them.
    orphans: Orphans,
    /// Since when its end is waited for, before it is started again.
    ending: Option<Instant>,
}

impl Theatre {
    /// Starts everything and waits until it is whole.
    pub async fn start() -> Self {
        let mut rig = Rig::empty().await;
        // They come back on their ports; nobody must take these meanwhile.
        rig.nats = NatsServer::start_at(rig.folder(), quiet_port()).await;
        let addresses: Vec<String> =
            CENTRALS.iter().map(|_| format!("127.0.0.1:{}", quiet_port())).collect();
        let links = open_links(&rig).await;
        let maps_folder = write_maps(rig.folder());
        let desired_file = write_desired(rig.folder());
        let machine = |(id, _): &(&str, &[&str])| Machine {
            spawner: Keep::new(id),
            orphans: Orphans(Vec::new()),
            ending: None,
        };
        let mut theatre = Self {
            machines: SPAWNERS.iter().map(machine).collect(),
            centrals: CENTRALS.map(Keep::new).into(),
            addresses,
            rig,
            links,
            hung: BTreeMap::new(),
            maps_folder,
            desired_file,
            ended_by_themselves: Vec::new(),
        };
        (0..CENTRALS.len()).for_each(|place| theatre.start_central(place));
        (0..SPAWNERS.len()).for_each(|place| theatre.start_spawner(place));
        theatre
    }

    /// Begins a fault. False where there is nothing to hurt: a Map Server that is just being
    /// started.
    pub async fn begin(&mut self, what: What) -> bool {
        match what {
            What::Kill(Service::Central(place)) => self.centrals[place].down(Signal::KILL),
            What::Restart(Service::Central(place)) => self.centrals[place].down(Signal::TERM),
            What::Hang(Service::Central(place)) => self.centrals[place].signal(Signal::STOP),
            What::Kill(Service::Spawner(place)) => {
                let machine = self.machine(place);
                let pid = machine.spawner.process.as_ref().map(Process::id);
                machine.orphans.0.extend(pid.into_iter().flat_map(children_of));
                machine.spawner.down(Signal::KILL);
            }
            What::Restart(Service::Spawner(place)) => {
                self.machine(place).spawner.down(Signal::TERM);
            }
            What::Hang(Service::Spawner(place)) => self.machine(place).spawner.signal(Signal::STOP),
            What::Kill(Service::Map(place)) => return self.signal_map(place, Signal::KILL),
            What::Restart(Service::Map(place)) => return self.signal_map(place, Signal::TERM),
            What::Hang(Service::Map(place)) => {
                let Some(pid) = self.map_process(place) else { return false };
                self.hung.insert(place, pid);
                signal_process(pid, Signal::STOP);
            }
            What::Kill(Service::Nats) => self.rig.nats.kill(),
            What::Restart(Service::Nats) => self.rig.nats.signal(Signal::TERM),
            What::Hang(Service::Nats) => self.rig.nats.signal(Signal::STOP),
            What::Kill(Service::Redis) => self.rig.redis.kill(),
            What::Restart(Service::Redis) => self.rig.redis.signal(Signal::TERM),
            What::Hang(Service::Redis) => self.rig.redis.signal(Signal::STOP),
            What::Cut(link, cut) => {
                if let Some(proxy) = self.links.get(&link) {
                    proxy.cut(cut);
                }
            }
        }
        true
    }

    /// Mends what a fault broke. What is started is not waited for.
    pub async fn end(&mut self, what: What) {
        match what {
            What::Kill(Service::Central(place)) | What::Restart(Service::Central(place)) => {
                self.centrals[place].kill();
                self.start_central(place);
            }
            What::Hang(Service::Central(place)) => self.centrals[place].signal(Signal::CONT),
            What::Kill(Service::Spawner(place)) | What::Restart(Service::Spawner(place)) => {
                self.machine(place).ending = Some(Instant::now());
            }
            What::Hang(Service::Spawner(place)) => self.machine(place).spawner.signal(Signal::CONT),
            What::Hang(Service::Map(place)) => {
                let pid = self.hung.remove(&place);
                // One that was killed meanwhile is another's id by now, perhaps.
                let pid = pid.filter(|pid| arguments(*pid).contains(&MAPS[place].1.to_owned()));
                pid.into_iter().for_each(|pid| signal_process(pid, Signal::CONT));
            }
            // Its spawner starts it again.
            What::Kill(Service::Map(_)) | What::Restart(Service::Map(_)) => {}
            What::Kill(Service::Nats) | What::Restart(Service::Nats) => {
                self.rig.nats.kill();
                self.rig.nats.restart();
            }
            What::Hang(Service::Nats) => self.rig.nats.signal(Signal::CONT),
            What::Kill(Service::Redis) | What::Restart(Service::Redis) => {
                self.rig.redis.kill();
                self.rig.redis.restart().await;
            }
            What::Hang(Service::Redis) => self.rig.redis.signal(Signal::CONT),
            What::Cut(link, _) => {
                if let Some(proxy) = self.links.get(&link) {
                    proxy.heal();
                }
            }
        }
    }

    /// Starts again what has ended.
    pub fn tend(&mut self) {
        for place in 0..CENTRALS.len() {
            if let Some(last_words) = self.centrals[place].has_ended_by_itself() {
                self.ended_by_themselves.push(last_words);
                self.start_central(place);
            }
        }
        for place in 0..self.machines.len() {
            let machine = self.machine(place);
            let last_words = machine.spawner.has_ended_by_itself();
            if last_words.is_some() {
                machine.ending = Some(Instant::now());
                machine.spawner.is_down = true;
            }
            let has_ended = machine.has_ended();
            self.ended_by_themselves.extend(last_words);
            if has_ended {
                self.start_spawner(place);
            }
        }
    }

    /// Whether every spawner is back, and the Cluster runs what is desired.
    pub async fn is(&self, state: State, backbone: &Backbone) -> bool {
        let is_ending = self.machines.iter().any(|machine| machine.ending.is_some());
        let Ok(peers) = backbone.call(&(), ListPeers {}).await else { return false };
        let Ok(status) = backbone.call(&(), GetStatus {}).await else { return false };
        let runs = status.settled && status.maps.iter().all(|map| map.ready >= map.wanted);
        let no_more = state == State::Whole || peers.maps.len() == MAPS.len();
        runs && no_more && peers.spawners.len() == SPAWNERS.len() && !is_ending
    }

    /// Has those started again that crashed too often, as an operator would.
    pub async fn clear_held(&self, backbone: &Backbone) {
        for (id, _) in SPAWNERS {
            let spawner = id.parse().unwrap();
            let Ok(list) = backbone.call(&spawner, ListChildren {}).await else { continue };
            for child in list.children {
                if child.state == ChildState::Held {
                    // What fails now is tried again, as long as the cluster is not whole.
                    let _ = backbone.call(&spawner, ClearChild { server: child.server }).await;
                }
            }
        }
    }

    /// How often this stands in all Map Servers' logs, which their spawners' hold.
    pub fn logged(&self, what: &str) -> usize {
        let files = fs::read_dir(self.rig.folder()).into_iter().flatten().flatten();
        let logs =
            files.map(|file| file.path()).filter(|path| path.extension() == Some("err".as_ref()));
        let texts = logs.map(|path| fs::read_to_string(path).unwrap_or_default());
        texts.map(|text| text.matches(what).count()).sum()
    }

    fn machine(&mut self, place: usize) -> &mut Machine {
        &mut self.machines[place]
    }

    fn signal_map(&mut self, place: usize, signal: Signal) -> bool {
        let pid = self.map_process(place);
        pid.into_iter().for_each(|pid| signal_process(pid, signal));
        pid.is_some()
    }

    /// A Map Server's process: a child of its spawner, or one that a killed spawner has left.
    fn map_process(&self, place: usize) -> Option<u32> {
        let (spawner, map) = MAPS[place];
        let machine = &self.machines[spawner];
        let spawner = machine.spawner.process.as_ref().map(Process::id);
        let children = spawner.into_iter().flat_map(children_of);
        let mut all =
            children.chain(machine.orphans.0.iter().copied().filter(|id| is_running(*id)));
        all.find(|id| arguments(*id).iter().any(|argument| argument == map))
    }

    fn start_central(&mut self, place: usize) {
        let program = self
            .rig
            .central_program()
            .env("MMO_ID", CENTRALS[place])
            .env("MMO_LISTEN", &self.addresses[place])
            .env("NATS_URL", self.nats_url(Link::CentralNats(place)))
            .env("REDIS_URL", self.redis_url(Link::CentralRedis(place)))
            .env("MMO_DESIRED", &self.desired_file)
            .env("MMO_START_MAP", MAPS[0].1);
        self.centrals[place].start(program);
    }

    fn start_spawner(&mut self, place: usize) {
        let (id, maps) = SPAWNERS[place];
        let program = self
            .rig
            .spawner_program(id, &maps.join(","))
            .env("NATS_URL", self.nats_url(Link::SpawnerNats(place)))
            .env("MMO_MAP_NATS_URL", self.nats_url(Link::MapsNats(place)))
            .env("REDIS_URL", self.redis_url(Link::MapsRedis(place)))
            .env("MMO_MAPS_DIR", &self.maps_folder)
            .env("MMO_SAVE_EVERY_S", SAVE_EVERY_S);
        let machine = self.machine(place);
        machine.ending = None;
        machine.orphans.0.retain(|id| is_running(*id));
        machine.spawner.start(program);
    }

    fn nats_url(&self, link: Link) -> String {
        format!("nats://{}", self.links[&link].address())
    }

    fn redis_url(&self, link: Link) -> String {
        format!("redis://{}", self.links[&link].address())
    }
}

/// Everybody has a link of its own to what it needs.
async fn open_links(rig: &Rig) -> BTreeMap<Link, Proxy> {
    let nats = Server::Tcp(rig.nats.address().to_owned());
    let redis = Server::Unix(rig.folder().join("redis.sock"));
    let mut wanted = Vec::new();
    for place in 0..CENTRALS.len() {
        wanted.push((Link::CentralNats(place), nats.clone()));
        wanted.push((Link::CentralRedis(place), redis.clone()));
    }
    for place in 0..SPAWNERS.len() {
        wanted.push((Link::SpawnerNats(place), nats.clone()));
        wanted.push((Link::MapsNats(place), nats.clone()));
        wanted.push((Link::MapsRedis(place), redis.clone()));
    }
    let mut links = BTreeMap::new();
    for (link, server) in wanted {
        links.insert(link, Proxy::start(server).await);
    }
    links
}

impl Machine {
    /// Whether a spawner that was killed or told to stop may be started again. What it leaves
    /// behind, it leaves to the next one.
    fn has_ended(&mut self) -> bool {
        let Some(since) = self.ending else { return false };
        let is_late = since.elapsed() > GRACE;
        if let Some(spawner) = &mut self.spawner.process {
            if spawner.status().is_none() && !is_late {
                return false;
            }
            self.orphans.0.extend(children_of(spawner.id()));
            spawner.kill();
            self.spawner.process = None;
        }
        true
    }
}
