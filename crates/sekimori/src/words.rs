//! The words on screen for our own enums: one message key for each case.

use channel::api::Health;
use domain::event::SessionEnding;
use domain::motion::{AccountClass, ErrandKind};
use domain::people::{PersonaKind, Standing};
use domain::rule::RecordInput;
use domain::state::{GrantStanding, Order};

pub(crate) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "word-active",
        Standing::Frozen => "word-frozen",
        Standing::Left => "word-left",
        Standing::LeftFrozen => "word-left-frozen",
    }
}

pub(crate) const fn kind(kind: PersonaKind) -> &'static str {
    match kind {
        PersonaKind::Admin => "word-admin",
        PersonaKind::Research => "word-research",
    }
}

pub(crate) const fn class(class: AccountClass) -> &'static str {
    match class {
        AccountClass::OsSuperuser => "word-os-superuser",
        AccountClass::DatabaseAdmin => "word-database-admin",
        AccountClass::ApplicationMaster => "word-application-master",
        AccountClass::NetworkDevice => "word-network-device",
        AccountClass::CloudAdmin => "word-cloud-admin",
    }
}

pub(crate) const fn errand(kind: ErrandKind) -> &'static str {
    match kind {
        ErrandKind::Probe => "word-probe",
    }
}

pub(crate) const fn grant(standing: GrantStanding) -> &'static str {
    match standing {
        GrantStanding::Standing => "word-standing",
        GrantStanding::Returned => "word-returned",
        GrantStanding::Revoked => "word-revoked",
    }
}

pub(crate) const fn order(order: Order) -> &'static str {
    match order {
        Order::Flow => "word-flowing",
        Order::Freeze => "word-frozen",
        Order::Kill => "word-being-ended",
    }
}

pub(crate) const fn record_input(record: RecordInput) -> &'static str {
    match record {
        RecordInput::Never => "word-input-never",
        RecordInput::Masked => "word-input-masked",
    }
}

pub(crate) const fn health(health: Health) -> &'static str {
    match health {
        Health::Well => "word-well",
        Health::Warning => "word-warning",
        Health::Failing => "word-failing",
    }
}

pub(crate) const fn ending(ending: SessionEnding) -> &'static str {
    match ending {
        SessionEnding::ClientLeft => "word-client-left",
        SessionEnding::TargetLeft => "word-target-left",
        SessionEnding::TargetLost => "word-target-lost",
        SessionEnding::ClientLost => "word-client-lost",
        SessionEnding::TargetUnreachable => "word-target-unreachable",
        SessionEnding::TargetNotPinned => "word-target-not-pinned",
        SessionEnding::TargetRefused => "word-target-refused",
        SessionEnding::NotCertified => "word-not-certified",
        SessionEnding::GrantOver => "word-grant-over",
        SessionEnding::Revoked => "word-revoked",
        SessionEnding::Killed => "word-killed",
        SessionEnding::RecordingFailed => "word-recording-failed",
        SessionEnding::GatewayStopped => "word-gateway-stopped",
        SessionEnding::GatewayLost => "word-gateway-lost",
    }
}
