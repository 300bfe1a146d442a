//! This server's place in the cluster: registered, beating, and knowing its peers.

use std::time::Duration;

use instance::Condition;
use nats::{Backbone, BackboneError, Subscription, table::PeerEvent};
use protocol::{
    Channel, Code, Failure,
    backbone::{
        View,
        events::ClusterUp,
        maps::{LeaveMap, MapBeat, MapServer, RegisterMap},
    },
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    host::Vitals,
    peers::{Heard, PeerView},
};

/// Between two beats, and the longest wait for the answer to one.
const BEAT: Duration = Duration::from_secs(1);
/// Between two attempts to register.
const RETRY: Duration = Duration::from_millis(500);
/// How long another server of this id has to be found dead: three missed beats, and then some.
const ID_IN_USE: Duration = Duration::from_secs(6);

/// A Map Server's membership.
pub(crate) struct Membership {
    backbone: Backbone,
    own: MapServer,
    peers: PeerView,
    events: Subscription<PeerEvent>,
    clusters: Subscription<ClusterUp>,
    registered: Condition,
    /// The view that the last beat spoke of, if the peer list was behind it.
    owed: Option<View>,
}

impl Membership {
    /// Listens for peers from before it registers, so that no change is missed in between.
    pub(crate) async fn new(
        backbone: Backbone,
        own: MapServer,
        registered: Condition,
    ) -> Result<Self, BackboneError> {
        let events = backbone.subscribe::<PeerEvent>().await?;
        let clusters = backbone.subscribe::<ClusterUp>().await?;
        let peers = PeerView::new(own.server.clone());
        Ok(Self { backbone, own, peers, events, clusters, registered, owed: None })
    }

    /// Waits until no other server has this id: for a Cluster as long as it takes, for a dead
    /// server until it is missed. Only then may this one serve what is meant for its id.
    ///
    /// # Errors
    /// [`Code::IdInUse`] when another one lives on.
    pub(crate) async fn find_id_free(&self) -> Result<(), Failure> {
        let mut patience = Patience::new(ID_IN_USE);
        while let Err(failure) = self.look_for_id().await {
            patience.bear(failure)?;
            sleep(RETRY).await;
        }
        Ok(())
    }

    async fn look_for_id(&self) -> Result<(), Failure> {
        let peers = self.backbone.all_peers(BEAT).await?;
        let Some(peer) = peers.maps.iter().find(|peer| self.has_id_of(peer)) else { return Ok(()) };
        let message = format!(
            "server id {} is in use by another Map Server at {}:{}; give this one another id, or \
             stop that one",
            peer.server, peer.address, peer.port
        );
        Err(Failure::new(Code::IdInUse, message))
    }

    /// Another life at the very port that is bound here can only be over.
    fn has_id_of(&self, peer: &MapServer) -> bool {
        let is_here = peer.address == self.own.address && peer.port == self.own.port;
        peer.server == self.own.server && !is_here
    }

    /// Registers for the first time; waits for a Cluster for as long as it takes. The channel is
    /// the Cluster's to give.
    ///
    /// # Errors
    /// What the Cluster said, such as that another server was first to have this id.
    pub(crate) async fn join(&mut self) -> Result<Channel, Failure> {
        let mut patience = Patience::new(Duration::ZERO);
        while let Err(failure) = self.register().await {
            patience.bear(failure)?;
            sleep(RETRY).await;
        }
        Ok(self.own.channel)
    }

    /// Beats and follows the peers until `until`; then tells the Cluster that this server leaves.
    ///
    /// # Errors
    /// What the Cluster said when it takes this life back no more: it was held for dead, and
    /// another has its id now.
    pub(crate) async fn stay(
        mut self,
        vitals: watch::Receiver<Vitals>,
        until: CancellationToken,
    ) -> Result<(), Failure> {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = until.cancelled() => break,
                _ = beats.tick() => {
                    let now = *vitals.borrow(); // no lock is held over the await
                    self.beat(now).await?;
                }
                Some(event) = self.events.next() => self.hear(event).await,
                Some(up) = self.clusters.next() => {
                    info!(central = %up.central, "a Cluster is up");
                    self.register_again().await?;
                }
            }
        }
        self.leave().await;
        Ok(())
    }

    async fn beat(&mut self, vitals: Vitals) -> Result<(), Failure> {
        (self.own.population, self.own.claimed) = (vitals.population, vitals.claimed);
        let beat = MapBeat {
            life: self.own.life(),
            population: vitals.population,
            load: vitals.load,
            taken: vitals.taken,
            claimed: vitals.claimed,
        };
        match self.backbone.call_within(&(), beat, BEAT).await {
            Ok(heard) if !heard.known => self.register_again().await?,
            Ok(heard) => {
                self.registered.up();
                self.follow(heard.view).await;
            }
            Err(failure) => self.registered.down(failure.to_string()),
        }
        Ok(())
    }

    /// An event may be on its way still when a beat's answer speaks of it; by the next beat it
    /// has come or is lost.
    async fn follow(&mut self, view: View) {
        if self.owed.is_some_and(|owed| self.peers.is_behind(owed)) {
            self.repair().await;
        } else {
            self.owed = Some(view).filter(|view| self.peers.is_behind(*view));
        }
    }

    async fn hear(&mut self, event: PeerEvent) {
        let what = describe(&event);
        match self.peers.hear(event) {
            Heard::Applied => {
                if let Some(what) = what {
                    info!("{what}");
                }
                self.count();
            }
            Heard::Late => {}
            Heard::Missed => self.repair().await,
        }
    }

    async fn repair(&mut self) {
        // Should it fail, the next event or beat shows the gap again.
        if let Ok(list) = self.backbone.all_peers(BEAT).await {
            self.peers.replace(list.view, list.maps);
            self.owed = None;
            self.count();
            info!(peers = self.peers.len(), "the peer list was renewed");
        }
    }

    /// What fails now is tried again with the next beat, unless it is lost for good.
    async fn register_again(&mut self) -> Result<(), Failure> {
        let Err(failure) = self.register().await else { return Ok(()) };
        self.registered.down(failure.to_string());
        match failure.code {
            Code::IdInUse | Code::Fenced => Err(failure),
            _ => Ok(()),
        }
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let register = RegisterMap { server: self.own.clone() };
        let mut registered = self.backbone.call(&(), register).await?;
        if registered.more {
            self.backbone.more_peers(&mut registered.peers, BEAT).await?;
        }
        if registered.channel != self.own.channel {
            info!(channel = %registered.channel, "the Cluster gave another channel");
            self.own.channel = registered.channel;
        }
        self.peers.replace(registered.view, registered.peers);
        self.owed = None;
        self.count();
        self.registered.up();
        info!(peers = self.peers.len(), channel = %self.own.channel, "registered");
        Ok(())
    }

    async fn leave(&self) {
        let reason = "it was told to stop".to_owned();
        let leave = LeaveMap { life: self.own.life(), reason };
        if let Err(failure) = self.backbone.call_within(&(), leave, BEAT).await {
            // It will be missed after three beats.
            warn!(%failure, "the Cluster could not be told of the end");
        }
    }

    fn count(&self) {
        let peers = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        metrics::gauge!("mmo_map_peers").set(f64::from(peers));
    }
}

/// What is borne while a server waits for its place.
struct Patience {
    /// How long for an id in use.
    limit: Duration,
    in_use: Option<Instant>,
    said: bool,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, in_use: None, said: false }
    }

    /// Says, once, what is waited for.
    ///
    /// # Errors
    /// The failure itself, when waiting does not help.
    fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        let goes_on = match failure.code {
            Code::IdInUse => self.in_use.get_or_insert_with(Instant::now).elapsed() < self.limit,
            _ => failure.retry,
        };
        if !goes_on {
            return Err(failure);
        }
        if !std::mem::replace(&mut self.said, true) {
            warn!(%failure, "not registered yet; trying until it is");
        }
        Ok(())
    }
}

/// What is worth a line in the log: who comes and who goes.
fn describe(event: &PeerEvent) -> Option<String> {
    match event {
        PeerEvent::Up(up) => {
            let MapServer { server, map, channel, address, port, .. } = &up.server;
            Some(format!("peer up: {server} runs {map} channel {channel} at {address}:{port}"))
        }
        PeerEvent::Down(down) => Some(format!("peer down: {} ({})", down.life.server, down.reason)),
        PeerEvent::Changed(_) => None,
    }
}
