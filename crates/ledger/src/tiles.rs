//! Tiles: the tree and its entries as files that never change (C2SP `tlog-tiles`). Coordinates, paths and contents only.

use std::fmt;
use std::str::FromStr;

use crate::{Error, MAX_SIZE, Nodes, Result, encoding};

/// Most bytes of an entry, as an entry bundle can carry it.
pub const MAX_ENTRY: usize = 65_535;

/// Hashes or entries in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the complete nodes at eight times `level`, 0 to 7.
    Hashes {
        /// 0 holds the leaves; each hash above is that of a full tile below.
        level: u8,
    },
    /// The entries themselves.
    Entries,
}

/// One file of a tiled log. Prints as its path below the log's prefix, e.g. `tile/0/x001/x234/067.p/12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile at `index` as a tree of `size` leaves has it; `None` if it has none there.
    #[must_use]
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Tile> {
        let beyond_start = kind.items(size).checked_sub(index.checked_mul(TILE_WIDTH.into())?)?;
        let width = beyond_start.min(TILE_WIDTH.into()) as u16;
        (width > 0).then_some(Tile { kind, index, width })
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Position among the tiles of its kind.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds: 1 to 255 while it is partial, 256 when full.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Contents of a tile of hashes, 32 bytes each. Of a tile of entries, the leaf hashes that its entries must have.
    ///
    /// # Errors
    /// [`Error::MissingNode`].
    pub fn hashes(&self, nodes: &dyn Nodes) -> Result<Vec<u8>> {
        let level = 8 * self.kind.level();
        let mut bytes = Vec::with_capacity(32 * usize::from(self.width));
        for offset in 0..u64::from(self.width) {
            let index = self.index * u64::from(TILE_WIDTH) + offset;
            bytes.extend(nodes.node(level, index).ok_or(Error::MissingNode { level, index })?.as_bytes());
        }
        Ok(bytes)
    }
}

impl TileKind {
    fn level(self) -> u8 {
        match self {
            TileKind::Hashes { level } => level,
            TileKind::Entries => 0,
        }
    }

    /// How many hashes or entries of this kind a tree of `size` leaves has.
    fn items(self, size: u64) -> u64 {
        if self.level() > MAX_LEVEL { 0 } else { size >> (8 * self.level()) }
    }
}

/// The tiles to write when a tree grows from `old` to `new` leaves: those that are new, and those that became wider.
pub fn tiles_grown(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    let levels = (0..=MAX_LEVEL).map(|level| TileKind::Hashes { level });
    levels.chain([TileKind::Entries]).flat_map(move |kind| {
        let (before, after) = (kind.items(old), kind.items(new));
        let first = before / u64::from(TILE_WIDTH);
        let end = if after > before { after.div_ceil(TILE_WIDTH.into()) } else { first };
        (first..end).filter_map(move |index| Tile::in_tree(kind, index, new))
    })
}

/// Joins up to 256 entries into the contents of a tile of entries, each behind its length as two bytes, big-endian.
///
/// # Errors
/// [`Error::TooLarge`] over [`MAX_ENTRY`] or [`TILE_WIDTH`].
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>> {
    check_count(entries.len())?;
    let mut bundle = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len());
        let length = length.map_err(|_| Error::TooLarge { what: "entry in bytes", limit: MAX_ENTRY as u64 })?;
        bundle.extend(length.to_be_bytes());
        bundle.extend(entry);
    }
    Ok(bundle)
}

/// Takes the contents of a tile of entries apart.
///
/// # Errors
/// [`Error::Malformed`] if an entry is cut short, [`Error::TooLarge`] over [`TILE_WIDTH`].
pub fn decode_bundle(mut bundle: &[u8]) -> Result<Vec<&[u8]>> {
    let cut_short = Error::Malformed { what: "entry bundle", why: "its last entry is cut short" };
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk().ok_or(cut_short.clone())?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(cut_short.clone())?;
        entries.push(entry);
        check_count(entries.len())?;
        bundle = rest;
    }
    Ok(entries)
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        write_index(self.index / 1000, f)?;
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Writes the path elements before the last one.
fn write_index(thousands: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if thousands == 0 {
        return Ok(());
    }
    write_index(thousands / 1000, f)?;
    write!(f, "x{:03}/", thousands % 1000)
}

impl FromStr for Tile {
    type Err = Error;

    fn from_str(path: &str) -> Result<Tile> {
        parse_path(path)
            .ok_or(Error::Malformed { what: "tile path", why: "it is not `tile/<level>/<index>[.p/<width>]`" })
    }
}

fn parse_path(path: &str) -> Option<Tile> {
    let (kind, path) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes { level: encoding::decimal(level).filter(|&level| level <= MAX_LEVEL.into())? as u8 },
    };
    let (index, width) = match path.split_once(".p/") {
        Some((index, width)) => (index, encoding::decimal(width).filter(|width| (1..256).contains(width))? as u16),
        None => (path, TILE_WIDTH),
    };
    let index = parse_index(index)?;
    let widest = Tile::in_tree(kind, index, MAX_SIZE)?.width;
    (width <= widest).then_some(Tile { kind, index, width })
}

fn parse_index(path: &str) -> Option<u64> {
    let (before, last) = path.rsplit_once('/').map_or((None, path), |(before, last)| (Some(before), last));
    let mut index = 0_u64;
    for element in before.into_iter().flat_map(|before| before.split('/')) {
        let thousands = three_digits(element.strip_prefix('x')?)?;
        // A path that began with x000 would be a second name of the same tile.
        if index == 0 && thousands == 0 {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(thousands)?;
    }
    index.checked_mul(1000)?.checked_add(three_digits(last)?)
}

fn three_digits(text: &str) -> Option<u64> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn check_count(entries: usize) -> Result<()> {
    let limit = TILE_WIDTH.into();
    if entries as u64 > limit { Err(Error::TooLarge { what: "number of entries in a bundle", limit }) } else { Ok(()) }
}

/// Eight levels of eight make 64, which is all that a 64-bit size can have.
const MAX_LEVEL: u8 = 7;
