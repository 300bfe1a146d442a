//! The whole list of Map Servers, page by page.

use std::time::Duration;

use protocol::{
    Failure,
    backbone::maps::{ListPeers, MapServer, MorePeers, Peers},
};

use crate::Backbone;

impl Backbone {
    /// All Map Servers and spawners. Its view is that of the first page: events that came since
    /// apply to the list.
    ///
    /// # Errors
    /// As [`Backbone::call`], which has `patience` for each page.
    pub async fn all_peers(&self, patience: Duration) -> Result<Peers, Failure> {
        let mut peers = self.call_within(&(), ListPeers {}, patience).await?;
        if peers.more {
            self.more_peers(&mut peers.maps, patience).await?;
            peers.more = false;
        }
        Ok(peers)
    }

    /// Adds the pages after the first one.
    ///
    /// # Errors
    /// As [`Backbone::call`], which has `patience` for each page.
    pub async fn more_peers(
        &self,
        maps: &mut Vec<MapServer>,
        patience: Duration,
    ) -> Result<(), Failure> {
        while let Some(last) = maps.last() {
            let after = last.server.clone();
            let page = self.call_within(&(), MorePeers { after }, patience).await?;
            maps.extend(page.maps);
            if !page.more {
                break;
            }
        }
        Ok(())
    }
}
