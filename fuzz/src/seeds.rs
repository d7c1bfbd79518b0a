//! What a target starts from: goldens of the crates, and a small world with real signatures made in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use channel::api::{ApiAnswer, ApiAsk, Opening, Query, Receipt, Submission};
use channel::front::{
    Anchor, ApproachAsk, EndFact, ErrandTerms, FromFront, FrontAnswer, FrontAsk, OpenAsk, Setup, ToFront,
};
use channel::{Greeting, Role, keeper};
use domain::event::{Event, Filing, RecordingAnchored, SessionEnding};
use domain::motion::ErrandKind;
use domain::statement::{Decision, DecisionFields, RequestFields, Signed};
use domain::{Actor, Entry, ErrandId, Refusal, SessionId, SuiteKey, TargetId};
use envelope::{OpeningKey, Salt, Sealed, Secret};
use ledger::{
    Checkpoint, ConsistencyProof, CosignerKey, Ed25519Cosigner, Ed25519Signer, Hash, InclusionProof, MemoryTree,
    MultiProof, NoteSigner, Policy, SignedCheckpoint, TlogProof, leaf_hash,
};
use recorder::Header;
use serde_json::Value;
use sshwire::{Certificate, CertificateKind, CertificateSpec, Permit, PublicKey, Signature, SoftSigner, Writer};
use tegata::Trust;
use tegata::anchors::AnchorProof;
use tegata::whole::{Lines, note_of};

use crate::real::{self, RealPen};
use crate::world::{LOG_KEY, Pen, World};

type Seeds = Vec<Vec<u8>>;

/// Of every kind one, and then some.
const GOLDEN: &str = include_str!("../../crates/domain/tests/golden/entries.jsonl");
pub(crate) const RECORDING: &[u8] = include_bytes!("../../crates/recorder/tests/golden/v1.skmrec");

const READING_KEY: &str = include_str!("../../crates/recorder/tests/golden/v1.reading-key.hex");
/// What is signed and sealed, wherever one text will do.
pub(crate) const MESSAGE: &[u8] = b"statement";
/// When the witnesses saw the example log.
pub(crate) const WITNESSED: u64 = 1_800_000_000;

pub(crate) fn entries() -> Seeds {
    GOLDEN.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// A permit whose signatures are real, and whom its verifier trusts.
pub(crate) fn real_tegata() -> &'static (Vec<u8>, Trust) {
    static FILE: OnceLock<(Vec<u8>, Trust)> = OnceLock::new();
    FILE.get_or_init(|| {
        let (mut world, shop) = World::shop(RealPen, 21);
        let grant = world.grant(&shop);
        (real::tegata(&world, grant).to_bytes(), real::trust(&world))
    })
}

/// The file, its entries as lines, and these without the last approval's.
pub(crate) fn tegata() -> Seeds {
    let file = &real_tegata().0;
    let lines = tegata::Tegata::parse(file).unwrap().entries;
    let fewer: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.contains("approval.given")).collect();
    vec![file.clone(), lines.join("\n").into_bytes(), fewer.join("\n").into_bytes()]
}

fn signer() -> SoftSigner {
    SoftSigner::from_seed(&[3; 32])
}

fn some_keys() -> Vec<PublicKey> {
    let point = *signer().public_key().ed25519_point().unwrap();
    let wires = [
        Writer::new().string("ssh-ed25519").string(point).into_bytes(),
        Writer::new().string("sk-ssh-ed25519@openssh.com").string(point).string("ssh:").into_bytes(),
        Writer::new().string("ssh-rsa").string([1, 0, 1]).string([&[0], [0xc1; 384].as_slice()].concat()).into_bytes(),
    ];
    let read = wires.iter().filter_map(|wire| PublicKey::from_wire(wire).ok()).collect::<Vec<_>>();
    assert!(read.len() >= 2, "the seeds are not keys");
    read
}

pub(crate) fn keys() -> Seeds {
    let mut seeds: Seeds =
        some_keys().iter().flat_map(|key| [key.wire().to_vec(), key.to_openssh().into_bytes()]).collect();
    let curve =
        Writer::new().string("ecdsa-sha2-nistp256").string("nistp256").string([&[4], [0x6b; 64].as_slice()].concat());
    seeds.push(curve.into_bytes());
    seeds
}

/// Signs the certificates.
pub(crate) fn authority() -> &'static SoftSigner {
    static KEY: OnceLock<SoftSigner> = OnceLock::new();
    KEY.get_or_init(|| SoftSigner::from_seed(&[9; 32]))
}

/// All that [`authority`] ever signed.
pub(crate) fn made_certificates() -> &'static [Certificate] {
    static MADE: OnceLock<Vec<Certificate>> = OnceLock::new();
    MADE.get_or_init(|| {
        let spec = CertificateSpec {
            kind: CertificateKind::User,
            key: signer().public_key().clone(),
            serial: 42,
            key_id: "ses_fuzz".into(),
            principals: vec!["p-7f3k".parse().unwrap()],
            valid_after: 1_800_000_000,
            valid_before: 1_800_000_060,
            source_address: Some(vec!["192.0.2.0/24".parse().unwrap()]),
            force_command: None,
            permits: BTreeSet::from([Permit::Pty]),
            private_extensions: BTreeMap::from([("tegata@example.org".parse().unwrap(), b"proof".to_vec())]),
        };
        let errand = CertificateSpec {
            force_command: Some("date -u +%s.%N".into()),
            permits: BTreeSet::new(),
            source_address: None,
            ..spec.clone()
        };
        let signed = [spec, errand].map(|spec| {
            let unsigned = spec.to_be_signed([7; 32], authority().public_key()).unwrap();
            unsigned.sign_with(|bytes| authority().sign_raw(bytes))
        });
        signed.to_vec()
    })
}

pub(crate) fn certificates() -> Seeds {
    made_certificates().iter().flat_map(|one| [one.wire().to_vec(), one.to_openssh().into_bytes()]).collect()
}

/// All that the two keys in them ever signed over [`MESSAGE`] (the second over a statement of its own).
pub(crate) fn made_signatures() -> &'static [Signature] {
    static MADE: OnceLock<Vec<Signature>> = OnceLock::new();
    MADE.get_or_init(|| {
        let plain = signer().sshsig("sekimori-approval", MESSAGE);
        let touched = RealPen.sign(
            real::HARDWARE | 4,
            &"gate.example/tokyo".parse().unwrap(),
            &golden_request().0,
            domain::Nonce::from_random([1; 16]),
            domain::Timestamp::EARLIEST,
        );
        vec![plain, touched.0]
    })
}

pub(crate) fn signatures() -> Seeds {
    made_signatures().iter().flat_map(|one| [one.wire().to_vec(), one.to_armored().into_bytes()]).collect()
}

fn golden_request() -> (RequestFields, Signed) {
    let found = entries().iter().find_map(|entry| match Entry::decode(entry).unwrap().event {
        Event::RequestFiled(filed) => match filed.filing {
            Filing::Signed(signed) => Some((filed.fields, signed)),
            Filing::FiledThroughSsh { .. } => None,
        },
        _ => None,
    });
    found.expect("the goldens hold a request")
}

/// The fields of every signed entry, under the number of each kind of statement.
pub(crate) fn statements() -> Seeds {
    let mut seeds = Vec::new();
    for entry in GOLDEN.lines() {
        let entry: Value = serde_json::from_str(entry).unwrap();
        if let Some(fields) = entry["body"].get("fields") {
            let json = serde_json::to_vec(fields).unwrap();
            let named = |name: &str| fields.get(name).is_some();
            let kind = match () {
                () if named("beneficiary") => 0,
                () if named("decision") => 1,
                () if named("act") => 2,
                () if named("seconder") => 3,
                () => 4,
            };
            seeds.push([&[kind], json.as_slice()].concat());
        }
    }
    let key = serde_json::to_string(signer().public_key()).unwrap();
    let nonce = serde_json::to_string(&golden_request().1.nonce).unwrap();
    seeds.push([&[5], format!("{{\"challenge\":{nonce},\"key\":{key}}}").as_bytes()].concat());
    seeds
}

pub(crate) fn leaves() -> Vec<Hash> {
    (0..10_u64).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

pub(crate) fn tree() -> &'static MemoryTree {
    static TREE: OnceLock<MemoryTree> = OnceLock::new();
    TREE.get_or_init(|| leaves().into_iter().collect())
}

pub(crate) fn log() -> &'static Ed25519Signer {
    static LOG: OnceLock<Ed25519Signer> = OnceLock::new();
    LOG.get_or_init(|| Ed25519Signer::from_seed("log.example/tokyo".parse().unwrap(), &[1; 32]))
}

fn witnesses() -> Vec<Ed25519Cosigner> {
    (1..4).map(|n| Ed25519Cosigner::from_seed(format!("witness.example/w{n}").parse().unwrap(), &[n; 32])).collect()
}

pub(crate) fn witness_keys() -> Vec<CosignerKey> {
    witnesses().iter().map(|witness| witness.key().clone()).collect()
}

/// All that the log and its witnesses ever signed.
pub(crate) fn cosigned() -> &'static SignedCheckpoint {
    static SIGNED: OnceLock<SignedCheckpoint> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let head = tree().head();
        let checkpoint = Checkpoint { origin: "log.example/tokyo".parse().unwrap(), size: head.size, root: head.root };
        let verified = checkpoint.sign(log()).unwrap().verify(log().key()).unwrap();
        let lines: Vec<_> = witnesses().iter().map(|witness| witness.cosign(&verified, WITNESSED).unwrap()).collect();
        let mut signed = verified.into_signed();
        lines.into_iter().for_each(|line| signed.add(line).unwrap());
        signed
    })
}

pub(crate) fn notes() -> Seeds {
    let signed = cosigned();
    vec![
        signed.to_string().into_bytes(),
        signed.claimed().to_string().into_bytes(),
        log().key().to_string().into_bytes(),
        witnesses()[0].key().to_string().into_bytes(),
    ]
}

pub(crate) fn proofs() -> Seeds {
    let proof = InclusionProof::make(tree(), 3, 10).unwrap();
    let whole = TlogProof::new(proof, cosigned().clone(), b"extra".to_vec()).unwrap();
    let bundle = ledger::encode_bundle(&[b"one".as_slice(), b"", b"three"]).unwrap();
    vec![
        whole.to_string().into_bytes(),
        bundle,
        b"tile/0/x001/067".to_vec(),
        b"tile/0/001.p/5".to_vec(),
        b"tile/entries/000.p/7".to_vec(),
    ]
}

pub(crate) fn tree_proofs() -> Seeds {
    vec![
        json(&InclusionProof::make(tree(), 3, 10).unwrap()),
        json(&ConsistencyProof::make(tree(), 6, 10).unwrap()),
        json(&ConsistencyProof::make(tree(), 8, 9).unwrap()),
        json(&MultiProof::make(tree(), &[1, 4, 9], 10).unwrap()),
        tree().frontier().to_bytes(),
    ]
}

pub(crate) fn policies() -> Seeds {
    let mut text = format!("# of the log\nlog {}\n", log().key());
    for (name, witness) in ["X1", "X2", "Y1"].iter().zip(witnesses()) {
        text += &format!("witness {name} {} https://witness.example/\n", witness.key());
    }
    let groups = "group X any X1 X2\ngroup Both all X Y1\ngroup Two 2 X1 X2 Y1\nquorum Both\n";
    vec![format!("{text}{groups}").into_bytes(), format!("{text}quorum none\n").into_bytes()]
}

pub(crate) fn session() -> SessionId {
    SessionId::from_random([3; 16])
}

/// An entry that binds a point of the session's recording, and that point's proof.
pub(crate) fn anchored() -> &'static (Entry, AnchorProof) {
    static ANCHORED: OnceLock<(Entry, AnchorProof)> = OnceLock::new();
    ANCHORED.get_or_init(|| {
        let chain = Hash::of(b"chain");
        let own = tegata::anchors::leaf(&session(), 5, &chain);
        let tree: MemoryTree = [leaf_hash(b"one"), own, leaf_hash(b"three")].into_iter().collect();
        let event = Event::RecordingAnchored(RecordingAnchored { root: tree.root(), recordings: 3 });
        let time = domain::Timestamp::EARLIEST;
        let entry = Entry { seq: 70, time, actor: Actor::Engine, cause: None, event };
        let proof = InclusionProof::make(&tree, 1, 3).unwrap();
        (entry, AnchorProof { seq: 70, chunks: 5, chain, proof })
    })
}

pub(crate) fn anchors() -> Seeds {
    let (_, anchor) = anchored();
    let earlier = AnchorProof { seq: 60, chunks: 4, ..anchor.clone() };
    let file = |anchors: &[AnchorProof]| tegata::anchors::to_file(&session(), anchors).into_bytes();
    vec![file(&[]), file(std::slice::from_ref(anchor)), file(&[earlier, anchor.clone()])]
}

/// A small ledger as it is exported, with real signatures.
pub(crate) struct RealLedger {
    pub(crate) file: String,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) trust: Trust,
    pub(crate) policy: Policy,
}

pub(crate) fn real_ledger() -> &'static RealLedger {
    static LEDGER: OnceLock<RealLedger> = OnceLock::new();
    LEDGER.get_or_init(|| {
        let mut world = World::founded(RealPen, 31);
        world.add_person();
        let signer = Ed25519Signer::from_seed(world.origin().as_str().parse().unwrap(), &real::seed(LOG_KEY));
        let mut lines = Lines::default();
        let mut tree = MemoryTree::new();
        let mut file = lines.form();
        for entry in &world.bytes {
            file += &lines.entry(std::str::from_utf8(entry).unwrap());
            tree.append(leaf_hash(entry));
            let origin = world.origin().as_str().parse().unwrap();
            let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() };
            file += &lines.checkpoint(&checkpoint.sign(&signer).unwrap());
        }
        file += &lines.end();
        let policy = format!("log {}\nquorum none\n", signer.key());
        RealLedger {
            file,
            entries: world.bytes.clone(),
            trust: real::trust(&world),
            policy: Policy::parse(policy.as_bytes()).unwrap(),
        }
    })
}

/// The file with every hash outside the entries made right, and its entries.
pub(crate) fn repaired(file: &[u8]) -> Option<(String, Vec<Vec<u8>>)> {
    let (mut lines, mut entries) = (Lines::default(), Vec::new());
    let mut repaired = lines.form();
    for line in std::str::from_utf8(file).ok()?.split_inclusive('\n') {
        if let Some(entry) = line.strip_prefix("entry ").and_then(|rest| rest.trim_end().split_once(' ')) {
            repaired += &lines.entry(entry.1);
            entries.push(entry.1.as_bytes().to_vec());
        } else if let Some(note) = note_of(line.as_bytes()) {
            repaired += &lines.checkpoint(&note);
        }
    }
    repaired += &lines.end();
    Some((repaired, entries))
}

pub(crate) fn ledgers() -> Seeds {
    let file = &real_ledger().file;
    let lines = file.split_inclusive('\n').collect::<Vec<_>>();
    // Whole, its beginning, and without one of its entries.
    let beginning = repaired(lines[..5].concat().as_bytes()).unwrap().0;
    let without = [&lines[..3], &lines[5..]].concat().concat();
    [file.clone(), beginning, without].map(String::into_bytes).to_vec()
}

/// The key of the golden recording's keeper.
pub(crate) fn reading_key() -> &'static OpeningKey {
    static KEY: OnceLock<OpeningKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let digits = READING_KEY.trim().as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        OpeningKey::from_secret(&Secret::new(bytes)).unwrap()
    })
}

/// The golden recording's session key, and what it is bound to.
pub(crate) fn sealed_session_key() -> &'static (Vec<u8>, Sealed) {
    static SEALED: OnceLock<(Vec<u8>, Sealed)> = OnceLock::new();
    SEALED.get_or_init(|| {
        let header = Header::read(&mut &RECORDING[..]).unwrap();
        (recorder::sealing_context(header.origin(), header.session()), header.sealed_for_keeper().unwrap())
    })
}

pub(crate) fn sealed() -> Seeds {
    let key = reading_key().sealing_key();
    let under_data_key = crate::targets::data_key().seal(b"whose", MESSAGE).unwrap();
    vec![sealed_session_key().1.as_bytes().to_vec(), key.to_bytes(), key.to_string().into_bytes(), under_data_key]
}

pub(crate) fn recordings() -> Seeds {
    vec![RECORDING.to_vec(), RECORDING[..RECORDING.len() - 100].to_vec()]
}

/// Flags, then what a chunk holds: frames as they are and compressed, and the totals of a last chunk.
pub(crate) fn chunks() -> Seeds {
    let frames = [5, 99, 0, 7, 0, 3, b'n', b'e', b'w', 2, 2, 7, 1, 2, b'o', b'k'];
    let goes_on = [0, 0x82, 2, 1, 5, 1, b'a'];
    let totals = [6_u64, 2, 0, 2, 0].into_iter().flat_map(u64::to_be_bytes).collect::<Vec<_>>();
    // A raw block of Zstandard, as its format says: magic, no checksum, one segment of sixteen bytes.
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 16, 0x81, 0, 0], frames.as_slice()].concat();
    vec![
        [&[0], frames.as_slice()].concat(),
        [&[0], goes_on.as_slice()].concat(),
        [&[1], totals.as_slice()].concat(),
        [&[2], zstd.as_slice()].concat(),
    ]
}

fn json(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap()
}

fn framed(kind: u8, message: &impl serde::Serialize) -> Vec<u8> {
    [&[kind], json(message).as_slice()].concat()
}

pub(crate) fn frames() -> Seeds {
    let (fields, signed) = golden_request();
    let key = signer().public_key().clone();
    let decision = DecisionFields {
        request: fields.request,
        statement: leaf_hash(b"statement"),
        approver: fields.requester,
        decision: Decision::Approve,
        reason: None,
        policy: 1,
    };
    let founded = entries().iter().find_map(|entry| match Entry::decode(entry).unwrap().event {
        Event::Founded(founded) => Some(founded),
        _ => None,
    });
    let opening = Opening { kind: "purpose".into(), salt: Salt::from_bytes([5; 32]), value: "change CHG-142".into() };
    let submit = |what: Submission| ApiAsk::Submit { what, openings: vec![opening.clone()] };
    let anchor = Anchor { chunks: 5, chain: Hash::of(b"chain") };
    let errand = ErrandId::from_random([6; 16]);
    let reading_key = SuiteKey::new(&reading_key().sealing_key().to_bytes()).unwrap();
    let head = keeper::Extension {
        size: 10,
        root: tree().root(),
        consistency: Some(ConsistencyProof::make(tree(), 6, 10).unwrap()),
    };
    let receipt = Receipt { seq: 7, leaf: leaf_hash(b"leaf"), time: signed.expires, grant: None, note: None };
    vec![
        framed(0, &Greeting::of(Role::Cli)),
        framed(
            1,
            &serde_json::json!({"origin": "gate.example/tokyo", "nonce": signed.nonce, "now": signed.expires, "policy": 1, "recoveries": []}),
        ),
        framed(2, &ApiAsk::Hello { key: key.clone(), expires: signed.expires, signature: signed.signature.clone() }),
        framed(2, &submit(Submission::Request { fields: fields.clone(), signed: signed.clone() })),
        framed(2, &submit(Submission::Decision { fields: decision, signed: signed.clone() })),
        framed(2, &ApiAsk::InitSeal { founded: founded.expect("the goldens hold the founding"), openings: vec![] }),
        framed(
            2,
            &ApiAsk::Read(Query::Entries {
                about: Some("req_".into()),
                kind: None,
                page: channel::api::Page { after: Some(7), limit: 50 },
            }),
        ),
        framed(2, &ApiAsk::Read(Query::Doctor)),
        framed(3, &ApiAnswer::Refused(Refusal::TooFast { wait_s: 1 })),
        framed(4, &FromFront { id: 1, body: FrontAsk::Knows { key } }),
        framed(4, &FromFront { id: 2, body: FrontAsk::Live { sessions: BTreeSet::new() } }),
        framed(
            4,
            &FromFront {
                id: 3,
                body: FrontAsk::Approach(Box::new(ApproachAsk {
                    account: "root".into(),
                    target: "db1".into(),
                    key: signer().public_key().clone(),
                    grant: None,
                })),
            },
        ),
        framed(
            4,
            &FromFront {
                id: 4,
                body: FrontAsk::Open(Box::new(OpenAsk {
                    session: session(),
                    account: "root".into(),
                    target: "db1".into(),
                    key: signer().public_key().clone(),
                    source: "192.0.2.7".parse().unwrap(),
                    subject: signer().public_key().clone(),
                    recording: Hash::of(b"header"),
                    grant: None,
                })),
            },
        ),
        framed(
            4,
            &FromFront {
                id: 5,
                body: FrontAsk::Ended(EndFact {
                    session: session(),
                    ending: SessionEnding::Killed,
                    ended: signed.expires,
                    anchor,
                    complete: true,
                    bytes: 34_567,
                }),
            },
        ),
        framed(4, &FromFront { id: 6, body: FrontAsk::Anchors { recordings: BTreeMap::from([(session(), anchor)]) } }),
        framed(
            4,
            &FromFront {
                id: 7,
                body: FrontAsk::ErrandReady {
                    errand,
                    subject: signer().public_key().clone(),
                    recording: Hash::of(b"header"),
                },
            },
        ),
        framed(5, &ToFront::Beat { size: 7 }),
        framed(5, &ToFront::Answer { id: 1, body: FrontAnswer::Known(true) }),
        framed(
            5,
            &ToFront::Setup(Setup {
                origin: "gate.example/tokyo".into(),
                reading_key,
                age_recipients: vec![],
                orders: BTreeMap::new(),
            }),
        ),
        framed(
            5,
            &ToFront::Errand(Box::new(ErrandTerms {
                errand,
                session: session(),
                kind: ErrandKind::Probe,
                address: "db1.example:22".into(),
                host_keys: BTreeSet::from([signer().public_key().clone()]),
                login: "root".into(),
            })),
        ),
        framed(6, &keeper::Ask::Head(head.clone())),
        framed(
            6,
            &keeper::Ask::Errand(keeper::ErrandOrder {
                head,
                entries: vec![GOLDEN.lines().next().unwrap().to_owned()],
                proof: MultiProof::make(tree(), &[1, 4, 9], 10).unwrap(),
            }),
        ),
        framed(
            7,
            &keeper::Answer::Certified {
                note: cosigned().to_string(),
                certificate: made_certificates()[0].to_openssh(),
            },
        ),
        framed(3, &ApiAnswer::Receipt(receipt)),
        framed(2, &ApiAsk::Probe { target: TargetId::from_random([8; 16]) }),
        framed(6, &keeper::Ask::Status),
        framed(6, &keeper::Ask::NewDataKey { owner: keeper::Owner::Installation }),
        framed(7, &keeper::Answer::Founded),
    ]
}

pub(crate) fn first_words() -> Seeds {
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in ["curve25519-sha256", "ssh-ed25519", "aes256-gcm@openssh.com", "aes128-ctr,aes128-gcm@openssh.com"] {
        payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        payload.extend(list.as_bytes());
    }
    let length = u32::try_from(payload.len() + 5).unwrap().to_be_bytes();
    let packet = [length.as_slice(), &[4], &payload, &[0; 4]].concat();
    vec![
        [b"SSH-2.0-OpenSSH_10.0\r\n", packet.as_slice()].concat(),
        b"SSH-2.0-x\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

pub(crate) fn logins() -> Seeds {
    ["root@db1", "root+db1", "root@db1@grt_0123", "=E5=B1=B1@db1", "root", "a=40b@db1"]
        .map(|name| name.as_bytes().to_vec())
        .to_vec()
}

pub(crate) fn terminals() -> Seeds {
    [
        "$ ls\r\n\x1b[1;31mred\x1b[0m\r\n",
        "\x1b]0;title\x07text\x1b(B",
        "関守\x1bP+q\x1b\\after",
        "\x1b[?1049h\x1b[2J\x1b7\x1b[999;1H",
        "secret\r\n*****",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub(crate) fn words() -> Seeds {
    let (fields, signed) = golden_request();
    let written = [
        fields.request.to_string(),
        signed.key.to_string(),
        signed.nonce.to_string(),
        signed.expires.to_string(),
        leaf_hash(b"leaf").to_string(),
    ];
    let typed = [
        "db1.tokyo",
        "gate.example/tokyo",
        "192.0.2.0/24",
        "2001:db8::/32",
        "p-7f3k-root",
        "2026-11-23T10:00:00.5Z",
        "rotate the WAL archive, CHG-142",
        "業務のため",
        "1763892000.123456789\n",
        "1763892000.N\n",
    ];
    written.into_iter().chain(typed.map(str::to_owned)).map(String::into_bytes).collect()
}
