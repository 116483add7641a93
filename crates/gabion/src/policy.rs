//! The policy document: its sections, its errors, and how a policy is tried before it takes effect.
//!
//! The [reference](crate::guide::policy) has a page for each section.

pub use gabion_core::Forward;
pub use gabion_inspect::{
    Action, AllowConfig, BanConfig, ByteRate, ByteRateError, ByteSize, ByteSizeError,
    CompiledUpgrade, Compression, DenyRule, HttpVersion, LimitRule, MessageAction,
    MessageActionError, MessageRule, OneOrMany, Period, PeriodError, Ping, PingError,
    ProtocolConfig, RouteConfig, ScanConfig, ServerConfig, ServerKind, State, UpgradeConfig,
};
pub use gabion_policy::{
    ClientSection, Diagnostic, Document, Expect, Expected, Explained, ForwardedHeader, Pack,
    PolicyError, Replaced, Report, SampleRequest, SampleRequestError, Severity, ShrinkGuard, Watch,
    WatchOptions, check,
};
