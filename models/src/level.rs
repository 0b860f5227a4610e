//! The closed sets of words in the scores: band, health, value tier, service level, status.

/// A level of a closed set, as it is written in the scores.
macro_rules! level {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every level.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text in the scores.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

level! {
    /// How high a probability is, for those who act on it.
    Band {
        /// Below the medium cut-off.
        Low => "low",
        /// From the medium cut-off.
        Medium => "medium",
        /// From the high cut-off.
        High => "high",
    }
}

level! {
    /// Usage depth against satisfaction.
    Health {
        /// Deep use and satisfied.
        Champion => "champion",
        /// Deep use, not satisfied: cannot leave, yet.
        Hostage => "hostage",
        /// Satisfied, shallow use.
        Sleeper => "sleeper",
        /// Neither.
        AtRisk => "at_risk",
        /// Usage or satisfaction is not known.
        Unknown => "unknown",
    }
}

level! {
    /// Value by MRR.
    ValueTier {
        /// From the high cut-off.
        High => "high",
        /// From the medium cut-off.
        Medium => "medium",
        /// Below.
        Low => "low",
    }
}

level! {
    /// Value tier against health: what service an account should get.
    ServiceLevel {
        /// High value, healthy.
        HighHealthy => "high_healthy",
        /// High value, at risk.
        HighAtRisk => "high_at_risk",
        /// Medium value, healthy.
        MediumHealthy => "medium_healthy",
        /// Medium value, at risk.
        MediumAtRisk => "medium_at_risk",
        /// Low value, healthy.
        LowHealthy => "low_healthy",
        /// Low value, at risk.
        LowAtRisk => "low_at_risk",
    }
}

level! {
    /// Whether the targets of a row are scored.
    Status {
        /// Every target.
        Scored => "scored",
        /// Some targets.
        Partial => "partial",
        /// None.
        NotScored => "not_scored",
    }
}

level! {
    /// Why a row is not scored.
    StatusReason {
        /// It is.
        Ok => "OK",
        /// No usage is known, and training saw too few such accounts.
        NoHistory => "NO_HISTORY",
        /// The last use is longer ago than training saw.
        StaleUsage => "STALE_USAGE",
        /// Too many of its numbers lie outside the range of training, or one of them far outside.
        OutsideTraining => "OUTSIDE_TRAINING",
        /// An input that must not be null is.
        MissingInput => "MISSING_INPUT",
        /// The model of a target gives no finite number for it: one that another tool made, on values that overflow in it.
        NoFiniteScore => "NO_FINITE_SCORE",
    }
}
