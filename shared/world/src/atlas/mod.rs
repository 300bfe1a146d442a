//! Maps, read from Tiled files.
