//! Compilation of configs to inspectors.

use std::{sync::Arc, time::Duration};

use gabion_core::{Mode, Slot, Slots};

use crate::{ConfigErrors, List, State};

/// A section of a policy that compiles to one or more inspectors.
///
/// Implemented by the config structs ([`AllowConfig`](crate::AllowConfig), [`BanConfig`](crate::BanConfig),
/// [`ProtocolConfig`](crate::ProtocolConfig), [`ScanConfig`](crate::ScanConfig),
/// [`ServerConfig`](crate::ServerConfig), [`UpgradeConfig`](crate::UpgradeConfig)) and by slices of rules
/// ([`DenyRule`](crate::DenyRule), [`LimitRule`](crate::LimitRule), [`MessageRule`](crate::MessageRule)).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, DenyRule, State};
///
/// let context = Context::new(&State::scratch());
/// let deny = [DenyRule::new("php").extensions(["php"])].compile(&context)?;
/// assert!(deny.judges(b"/index.php").is_some());
/// assert!(deny.judges(b"/index.html").is_none());
///
/// let unsound = [DenyRule::new("empty")].compile(&context);
/// assert!(unsound.is_err(), "the rule matches nothing");
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
pub trait Config {
    /// The compiled form.
    type Output;

    /// Compiles this config with the defaults and the state of `context`.
    ///
    /// # Errors
    ///
    /// Every entry that cannot be compiled, each with its [`ConfigPath`](crate::ConfigPath).
    fn compile(&self, context: &Context) -> Result<Self::Output, ConfigErrors>;
}

/// The defaults and the shared [`State`] with which each [`Config`] of one policy is compiled.
///
/// The default mode is [`Mode::Enforce`], and the default ban lasts [`Self::BAN_FOR`].
#[derive(Clone, Debug)]
pub struct Context {
    mode: Mode,
    ban_for: Duration,
    lists: Arc<[List]>,
    state: State,
    slots: Arc<Slots>,
}

impl Context {
    /// The default length of a ban.
    pub const BAN_FOR: Duration = Duration::from_mins(10);

    /// Creates a context that shares `state`.
    pub fn new(state: &State) -> Self {
        Self {
            mode: Mode::Enforce,
            ban_for: Self::BAN_FOR,
            lists: Arc::default(),
            state: state.clone(),
            slots: Arc::default(),
        }
    }

    /// Sets the mode of rules that do not set their own.
    ///
    /// [`LimitRule`](crate::LimitRule)s are excepted: without a mode of their own they observe.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Sets the length of bans by rules that do not set their own (`[ban] first`).
    pub fn with_ban_for(self, ban_for: Duration) -> Self {
        Self { ban_for, ..self }
    }

    /// Sets the content of the files that [`BanConfig::files`](crate::BanConfig::files) names, in that order.
    pub fn with_lists(self, lists: impl Into<Arc<[List]>>) -> Self {
        let lists = lists.into();
        Self { lists, ..self }
    }

    /// Compiles another policy, which shares another `state`.
    pub fn with_state(self, state: State) -> Self {
        let slots = Arc::default();
        Self {
            state,
            slots,
            ..self
        }
    }

    /// The mode of rules that do not set their own.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The length of bans by rules that do not set their own.
    pub const fn ban_for(&self) -> Duration {
        self.ban_for
    }

    /// The content of ban list files.
    pub fn lists(&self) -> &[List] {
        &self.lists
    }

    /// Assigns the next slot in the [`RequestState`](gabion_core::RequestState) of the policy's
    /// requests.
    pub(crate) fn assign_slot(&self) -> Slot {
        self.slots.assign()
    }

    /// The tables that inspectors write while they run.
    pub const fn state(&self) -> &State {
        &self.state
    }
}
