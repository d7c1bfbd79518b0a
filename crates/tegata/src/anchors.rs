//! That a recording stood so far at the moment of an entry: the leaf under the root of `recording.anchored`, and the file that keeps such
//! proofs with a recording (`spec/recording.md`, section 8).

use domain::event::{Event, RecordingAnchored};
use domain::{Entry, SessionId};
use ledger::{Hash, InclusionProof, MAX_PATH, TreeHead, leaf_hash};

/// The first line's first word.
const FORM: &str = "sekimori-anchors/v1";
/// Anchors of one recording: a month at one each 30 s.
pub const MOST_ANCHORS: usize = 90_000;
/// Longest file of anchors.
pub const LONGEST_FILE: u64 = 64 << 20;

/// After `chunks` chunks a recording's chain was `chain`; the entry with the number `seq` binds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorProof {
    pub seq: u64,
    pub chunks: u64,
    pub chain: Hash,
    /// Under the entry's root.
    pub proof: InclusionProof,
}

#[derive(Debug, thiserror::Error)]
pub enum AnchorFault {
    #[error("entry {seq} is `{kind}`, not `recording.anchored`")]
    OtherEntry { seq: u64, kind: &'static str },
    #[error("the recording's point of {chunks} chunks is not under the root of entry {seq}: {why}")]
    NotUnderRoot { seq: u64, chunks: u64, why: ledger::Error },
    #[error("line {line} of the anchors is not as it should be written")]
    Line { line: usize },
    #[error("the anchors are of another form or of another session")]
    OtherForm,
    #[error("the anchors do not rise")]
    NotRising,
    #[error("there are more than {MOST_ANCHORS} anchors")]
    TooMany,
}

/// The leaf of one recording in an anchor's tree. The chain binds the header, which the session's entry names.
pub fn leaf(session: &SessionId, chunks: u64, chain: &Hash) -> Hash {
    leaf_hash(leaf_text(session, chunks, chain).as_bytes())
}

/// What is hashed.
pub fn leaf_text(session: &SessionId, chunks: u64, chain: &Hash) -> String {
    format!("{session} {chunks} {chain}")
}

impl AnchorProof {
    /// Whether `entry`, which the caller knows to stand in the ledger, binds this point of the session's recording.
    ///
    /// # Errors
    /// [`AnchorFault::OtherEntry`], [`AnchorFault::NotUnderRoot`].
    pub fn check(&self, session: &SessionId, entry: &Entry) -> Result<(), AnchorFault> {
        let seq = self.seq;
        let Event::RecordingAnchored(RecordingAnchored { root, recordings }) = &entry.event else {
            return Err(AnchorFault::OtherEntry { seq, kind: entry.event.kind() });
        };
        if entry.seq != seq {
            return Err(AnchorFault::OtherEntry { seq, kind: entry.event.kind() });
        }
        let head = TreeHead { size: u64::from(*recordings), root: *root };
        let verified = self.proof.verify(leaf(session, self.chunks, &self.chain), &head);
        verified.map_err(|why| AnchorFault::NotUnderRoot { seq, chunks: self.chunks, why })
    }
}

/// The file of a recording's anchors, oldest first.
pub fn to_file(session: &SessionId, anchors: &[AnchorProof]) -> String {
    let mut file = format!("{FORM} {session}\n");
    for AnchorProof { seq, chunks, chain, proof } in anchors {
        file += &format!("{seq} {chunks} {chain} {} {}", proof.index, proof.size);
        proof.path.iter().for_each(|hash| file += &format!(" {hash}"));
        file.push('\n');
    }
    file
}

/// Reads what [`to_file`] wrote, for the session whose anchors they must be.
///
/// # Errors
/// [`AnchorFault`]. Nothing is verified but the form.
pub fn of_file(session: &SessionId, file: &str) -> Result<Vec<AnchorProof>, AnchorFault> {
    let mut lines = file.split_inclusive('\n');
    if lines.next() != Some(&format!("{FORM} {session}\n")) {
        return Err(AnchorFault::OtherForm);
    }
    let mut anchors: Vec<AnchorProof> = Vec::new();
    for (place, line) in lines.enumerate() {
        let anchor = of_line(line).ok_or(AnchorFault::Line { line: place + 2 })?;
        if anchors.last().is_some_and(|last| last.seq >= anchor.seq) {
            return Err(AnchorFault::NotRising);
        }
        if anchors.len() >= MOST_ANCHORS {
            return Err(AnchorFault::TooMany);
        }
        anchors.push(anchor);
    }
    Ok(anchors)
}

fn of_line(line: &str) -> Option<AnchorProof> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    let (seq, chunks) = (number(words.next()?)?, number(words.next()?)?);
    let chain = words.next()?.parse().ok()?;
    let (index, size) = (number(words.next()?)?, number(words.next()?)?);
    let path = words.map(|word| word.parse().ok()).collect::<Option<Vec<Hash>>>()?;
    let proof = InclusionProof { index, size, path };
    (proof.path.len() <= MAX_PATH).then_some(AnchorProof { seq, chunks, chain, proof })
}

/// A number has one spelling.
fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|n| n.to_string() == text)
}

#[cfg(test)]
mod tests {
    use ledger::MemoryTree;

    use super::*;

    fn anchors(count: u64) -> (SessionId, Vec<AnchorProof>) {
        let session = SessionId::from_random([3; 16]);
        let of = |n: u64| {
            let tree: MemoryTree = (0..=n).map(|k| leaf(&session, k, &Hash::of(b"chain"))).collect();
            let proof = InclusionProof::make(&tree, n, n + 1).unwrap();
            AnchorProof { seq: 10 * n, chunks: n, chain: Hash::of(b"chain"), proof }
        };
        (session, (0..count).map(of).collect())
    }

    #[test]
    fn the_file_reads_back_and_every_other_form_is_refused() {
        let (session, anchors) = anchors(7);
        let file = to_file(&session, &anchors);
        assert_eq!(of_file(&session, &file).unwrap(), anchors);
        assert_eq!(of_file(&session, &to_file(&session, &[])).unwrap(), []);
        of_file(&SessionId::from_random([4; 16]), &file).unwrap_err();
        for at in 0..file.len() {
            let mut bytes = file.clone().into_bytes();
            bytes[at] ^= 1;
            let read = String::from_utf8(bytes).ok().and_then(|text| of_file(&session, &text).ok());
            assert_ne!(read, Some(anchors.clone()), "byte {at} may be written otherwise");
        }
        of_file(&session, file.trim_end()).unwrap_err();
        let doubled = file.clone() + file.lines().last().unwrap() + "\n";
        assert!(matches!(of_file(&session, &doubled), Err(AnchorFault::NotRising)));
    }
}
