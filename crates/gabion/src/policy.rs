//! The policy: the sections of its document, its errors, and how a policy is tried before it takes effect.
//!
//! The [reference](crate::guide::policy) has a page for each section. Without the feature `policy` only the
//! sections are here, for [`Config::compile`](crate::inspect::Config::compile).

pub use gabion_core::{Forward, OnFault, RouteLimits};
pub use gabion_inspect::{
    Action, ActionError, AddressShare, AddressShareError, AllowConfig, BanConfig, ByteRate,
    ByteRateError, ByteRateLimit, ByteSize, ByteSizeError, CompiledUpgrade, Compression,
    ConfigError, ConfigErrors, ConfigPath, DenyRule, HttpVersion, LimitAction, LimitActionError,
    LimitRule, MessageAction, MessageActionError, MessageRule, OneOrMany, Period, PeriodError,
    Ping, PingError, Problem, ProtocolConfig, ProtocolException, ProtocolRule, ProtocolRuleError,
    Rate, RateError, RouteConfig, ScanConfig, ServerConfig, ServerKind, State, TableUsage,
    UpgradeConfig,
};
#[cfg(feature = "policy")]
pub use gabion_policy::{
    Candidate, ClientSection, ConsultedRule, Diagnostic, Document, DocumentErrors, Expect,
    Expected, Explained, ExplainedHop, ExplainedStep, ExplainedView, OfferedException, Pack,
    PolicyError, Replaced, Report, RequestExplanation, RuleSelection, SampleRequest,
    SampleRequestError, Severity, ShrinkGuard, TomlDocument, Watch, WatchOptions, WatchTrigger,
    check, check_replacement,
};

#[cfg(feature = "policy")]
pub use crate::guard::RejectedPolicy;
