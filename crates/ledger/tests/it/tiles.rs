//! Tiles: the worked example of the specification, paths, contents.

use ledger::{
    Error, Hash, MAX_ENTRY, MAX_SIZE, Nodes, Tile, TileKind, decode_bundle, encode_bundle, leaf_hash, node_hash,
    tiles_grown,
};
use proptest::prelude::*;

use crate::{entry, leaf, tree_of};

const LEAVES: TileKind = TileKind::Hashes { level: 0 };

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_worked_example() {
    let tiles: Vec<Tile> = tiles_grown(0, 70_000).collect();
    let widths = |kind| tiles.iter().filter(move |tile| tile.kind() == kind).map(Tile::width).collect::<Vec<u16>>();
    for kind in [LEAVES, TileKind::Entries] {
        assert_eq!(widths(kind), [vec![256; 273], vec![112]].concat());
    }
    assert_eq!(widths(TileKind::Hashes { level: 1 }), [256, 17]);
    assert_eq!(widths(TileKind::Hashes { level: 2 }), [1]);
    assert_eq!(widths(TileKind::Hashes { level: 3 }), Vec::<u16>::new());
    assert_eq!(tiles.len(), 2 * 274 + 2 + 1);
}

#[test]
fn a_tree_of_256_has_a_full_tile_and_one_above_it_of_width_1() {
    let paths: Vec<String> = tiles_grown(0, 256).map(|tile| tile.to_string()).collect();
    assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
}

#[test]
fn growth_writes_what_is_new_or_wider_and_nothing_else() {
    let paths = |old, new| tiles_grown(old, new).map(|tile| tile.to_string()).collect::<Vec<String>>();
    assert_eq!(paths(300, 300), Vec::<String>::new());
    assert_eq!(paths(0, 0), Vec::<String>::new());
    assert_eq!(paths(300, 301), ["tile/0/001.p/45", "tile/entries/001.p/45"]);
    assert_eq!(paths(511, 512), ["tile/0/001", "tile/1/000.p/2", "tile/entries/001"]);
    assert_eq!(
        paths(511, 513),
        ["tile/0/001", "tile/0/002.p/1", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/1"]
    );
}

#[test]
fn paths_are_those_of_the_specification() {
    for path in ["tile/0/x001/x234/067", "tile/0/000", "tile/5/999", "tile/entries/x001/000.p/255", "tile/1/000.p/1"] {
        assert_eq!(path.parse::<Tile>().unwrap().to_string(), path);
    }
    assert_eq!("tile/0/x001/x234/067".parse::<Tile>().unwrap().index(), 1_234_067);
    for wrong in [
        "",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/00/000",
        "tile/8/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/x001/x002",
        "tile/0/x001//002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1.p/1",
        "tile/0/000/",
        "tile/0/../000",
        "tile/7/001",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/Entries/000",
        "tile/0/００0",
    ] {
        wrong.parse::<Tile>().expect_err(wrong);
    }
}

#[test]
fn no_tile_names_more_than_the_largest_tree_has() {
    let top = TileKind::Hashes { level: 7 };
    let tile = Tile::in_tree(top, 0, MAX_SIZE).unwrap();
    assert_eq!((tile.width(), tile.to_string().as_str()), (128, "tile/7/000.p/128"));
    assert_eq!(tile.to_string().parse(), Ok(tile));
    "tile/7/000.p/129".parse::<Tile>().unwrap_err();
    "tile/7/000".parse::<Tile>().unwrap_err();
    assert_eq!(Tile::in_tree(TileKind::Hashes { level: 8 }, 0, MAX_SIZE), None);
    assert_eq!(Tile::in_tree(LEAVES, u64::MAX, MAX_SIZE), None);
}

#[test]
fn a_full_tile_hashes_to_the_node_in_the_tile_above() {
    let tree = tree_of(70_000);
    let tile = |level, index| Tile::in_tree(TileKind::Hashes { level }, index, 70_000).unwrap();
    let below = tile(0, 5).hashes(&tree).unwrap();
    let above = tile(1, 0).hashes(&tree).unwrap();
    assert_eq!((below.len(), above.len()), (8192, 8192));

    let hash_at = |bytes: &[u8], at: usize| -> Hash { bytes[32 * at..32 * (at + 1)].try_into().unwrap() };
    assert_eq!(hash_at(&below, 3), leaf(5 * 256 + 3));
    let mut level: Vec<Hash> = (0..256).map(|at| hash_at(&below, at)).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| node_hash(pair[0], pair[1])).collect();
    }
    assert_eq!(level, [hash_at(&above, 5)]);

    let partial = tile(1, 1).hashes(&tree).unwrap();
    assert_eq!(partial.len(), 17 * 32);
    assert_eq!(Some(hash_at(&partial, 16)), tree.node(8, 256 + 16));
    tile(0, 273).hashes(&tree_of(69_999)).unwrap_err();
}

#[test]
fn a_bundle_gives_back_its_entries_and_their_leaf_hashes_are_the_tile_below() {
    let entries: Vec<[u8; 8]> = (256..300).map(entry).collect();
    let bundle = encode_bundle(&entries).unwrap();
    assert_eq!(bundle[..10], [&[0, 8][..], &entry(256)].concat());
    let back = decode_bundle(&bundle).unwrap();
    assert_eq!(back, entries);

    let tile = Tile::in_tree(TileKind::Entries, 1, 300).unwrap();
    assert_eq!(usize::from(tile.width()), back.len());
    let leaves: Vec<u8> = back.iter().flat_map(|entry| *leaf_hash(entry).as_bytes()).collect();
    assert_eq!(tile.hashes(&tree_of(300)).unwrap(), leaves);
}

#[test]
fn bundles_that_are_too_large_or_cut_short_are_refused() {
    encode_bundle(&[vec![0; MAX_ENTRY]]).unwrap();
    let error = Error::TooLarge { what: "entry in bytes", limit: 65_535 };
    assert_eq!(encode_bundle(&[vec![0; MAX_ENTRY + 1]]), Err(error));
    encode_bundle(&vec![b""; 257]).unwrap_err();
    decode_bundle(&vec![0; 2 * 256]).unwrap();
    decode_bundle(&vec![0; 2 * 257]).unwrap_err();
    for cut in [&[0][..], &[0, 1], &[0, 2, 7], &[0, 1, 7, 0]] {
        decode_bundle(cut).unwrap_err();
    }
}

proptest! {
    #[test]
    fn every_tile_reads_back_from_its_path(level in 0..8_u8, index: u64, size in 0..=MAX_SIZE, entries: bool) {
        let (kind, level) = if entries { (TileKind::Entries, 0) } else { (TileKind::Hashes { level }, level) };
        let last = (size >> (8 * level)).div_ceil(256);
        for index in [index % last.max(1), last.saturating_sub(1), last] {
            let tile = Tile::in_tree(kind, index, size);
            assert_eq!(tile.is_some(), index < last);
            if let Some(tile) = tile {
                assert_eq!(tile.to_string().parse(), Ok(tile));
            }
        }
    }

    #[test]
    fn tiles_written_as_a_tree_grows_are_those_written_at_once(steps in prop::collection::vec(0..700_u64, 1..8)) {
        let mut grown = std::collections::BTreeMap::new();
        let mut size = 0;
        for step in steps {
            grown.extend(tiles_grown(size, size + step).map(|tile| ((tile.kind(), tile.index()), tile)));
            size += step;
        }
        assert!(grown.into_values().eq({
            let mut at_once: Vec<Tile> = tiles_grown(0, size).collect();
            at_once.sort();
            at_once
        }));
    }
}
