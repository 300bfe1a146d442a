//! Which server a program is.

use std::fmt;

/// The servers that share one configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Central Server, and the Cluster Server with it.
    Central,
    /// Map Spawn Server.
    MapSpawn,
    /// Map Server.
    Map,
}

impl Role {
    /// Every role, for documents and tests.
    pub const ALL: [Self; 3] = [Self::Central, Self::MapSpawn, Self::Map];

    /// The program's name, as it stands in logs and help: `map-spawn`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Central => "central",
            Self::MapSpawn => "map-spawn",
            Self::Map => "map",
        }
    }

    /// The table of the configuration file that only this role reads: `map_spawn`.
    pub fn table(self) -> &'static str {
        match self {
            Self::Central => "central",
            Self::MapSpawn => "map_spawn",
            Self::Map => "map",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
