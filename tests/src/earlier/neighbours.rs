//! The other Map Servers that one of an earlier release knows: told when it registers, kept up to
//! date by events.

use std::collections::BTreeMap;

use super::{
    read,
    words::{MapChanged, MapDown, MapServer, MapUp, View},
};

#[derive(Debug)]
pub(super) struct Neighbours {
    view: View,
    maps: BTreeMap<String, MapServer>,
}

impl Neighbours {
    /// Those of a full list.
    pub(super) fn new(view: View, maps: impl IntoIterator<Item = MapServer>) -> Self {
        let maps = maps.into_iter().map(|map| (map.server.clone(), map)).collect();
        Self { view, maps }
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.maps.keys().cloned().collect()
    }

    /// Takes an event; false if one before it was missed.
    pub(super) fn hear(&mut self, event: &str, body: &[u8]) -> bool {
        match event {
            "up" => {
                let MapUp { view, server } = read(body);
                self.follow(view, |maps| drop(maps.insert(server.server.clone(), server)))
            }
            "changed" => {
                let MapChanged { view, server, population, .. } = read(body);
                self.follow(view, |maps| {
                    if let Some(map) = maps.get_mut(&server) {
                        map.population = population;
                    }
                })
            }
            "down" => {
                let MapDown { view, server, .. } = read(body);
                self.follow(view, |maps| drop(maps.remove(&server)))
            }
            other => panic!("the earlier release knows no event.map.{other}"),
        }
    }

    fn follow(
        &mut self,
        view: View,
        change: impl FnOnce(&mut BTreeMap<String, MapServer>),
    ) -> bool {
        if view.cluster != self.view.cluster || view.sequence > self.view.sequence + 1 {
            return false;
        }
        // An event may have been on its way when the list told of it already.
        if view.sequence == self.view.sequence + 1 {
            self.view = view;
            change(&mut self.maps);
        }
        true
    }
}
