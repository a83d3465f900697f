//! What a run computes, as it stands with its task for every worker to read.

use std::sync::Arc;

use jiff::civil::Date;
use mystocks_bus::Json;
use mystocks_ta::{Given, registry};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::key::Call;
use crate::results::ResultRow;

/// What a run computes.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) calls: Vec<Call>,
    /// What each is recorded under, in the order of `calls`.
    pub(super) codes: Vec<Arc<str>>,
    pub(super) up_to: Option<Date>,
    pub(super) full: bool,
}

/// The parameters of a task, as they are recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Params {
    /// Which run it is: drawn when it began, so that no two are taken for each other, also when a record was lost between them.
    pub(super) run: String,
    /// Which process runs it: drawn when that took it up.
    pub(super) holder: String,
    /// Where its outcomes begin.
    pub(super) from: String,
    /// Of which bars: the fingerprint of the source of who began it.
    #[serde(default)]
    pub(super) bars: String,
    /// A digest of the symbols that were asked for, none for all.
    #[serde(default)]
    pub(super) symbols: Option<String>,
    up_to: Option<String>,
    full: bool,
    indicators: Vec<Planned>,
}

/// Draws what is never drawn again: 128 bits in hexadecimal digits.
pub(super) fn nonce() -> String {
    format!("{:032x}", fastrand::u128(..))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Planned {
    abbreviation: String,
    parameters: Json,
}

impl Plan {
    pub(super) fn new(calls: Vec<Call>, up_to: Option<Date>, full: bool) -> Self {
        let codes = calls.iter().map(|call| ResultRow::code(&call.label())).collect();
        Self { calls, codes, up_to, full }
    }

    /// Returns the parameters of a run that nobody has taken up yet.
    pub(super) fn params(&self, run: String, from: String, bars: String) -> Params {
        let indicators = self.calls.iter().map(|call| {
            let pairs = call.params.to_pairs().map(|(name, value)| {
                let value = match value {
                    mystocks_ta::Value::Int(value) => Json::from(value),
                    mystocks_ta::Value::Float(value) => Json::from(value),
                };
                (name.to_owned(), value)
            });
            let parameters = Json::Object(pairs.collect());
            Planned { abbreviation: call.indicator.abbreviation.to_owned(), parameters }
        });
        let up_to = self.up_to.map(|day| day.to_string());
        let holder = String::new();
        Params {
            run,
            holder,
            from,
            bars,
            symbols: None,
            up_to,
            full: self.full,
            indicators: indicators.collect(),
        }
    }
}

impl Params {
    /// Reads what was recorded with the task `task_id`.
    pub(super) fn read(task_id: &str, recorded: Option<&Json>) -> Result<Self, Error> {
        let malformed = || Error::new(ErrorKind::Malformed, "read the parameters of the task", task_id);
        let recorded =
            recorded.ok_or_else(|| malformed().with_detail("it has none: a daily job did not record it"))?;
        recorded.to_deserialize().map_err(|error| malformed().with_source(error))
    }

    /// Refuses bars of another kind than those that the run was begun with: results of both would stand under one task.
    pub(super) fn check_bars(&self, kind: ErrorKind, task_id: &str, bars: &str) -> Result<(), Error> {
        if self.bars == bars {
            return Ok(());
        }
        Err(Error::new(kind, "compute for the task", task_id).with_detail(format!(
            "it was begun with the bars \"{}\", this process has \"{bars}\": give all processes of a task the same source and adjustment, \
             or the task another name",
            self.bars
        )))
    }

    /// Returns whether `plan` of `bars` and `symbols` is what the run computes.
    pub(super) fn is_of(&self, task_id: &str, plan: &Plan, bars: &str, symbols: Option<&str>) -> bool {
        let is_same = |own: &Plan| (&own.codes, own.up_to, own.full) == (&plan.codes, plan.up_to, plan.full);
        self.bars == bars
            && self.symbols.as_deref() == symbols
            && self.plan(task_id).is_ok_and(|own| is_same(&own))
    }

    /// Returns the plan, in which nothing is but what this version can compute.
    pub(super) fn plan(&self, task_id: &str) -> Result<Plan, Error> {
        let calls = self.indicators.iter().map(|planned| planned.call(task_id));
        let up_to = self.up_to.as_deref().map(str::parse).transpose().map_err(|error: jiff::Error| {
            Error::new(ErrorKind::Malformed, "read the plan of the task", task_id).with_source(error)
        })?;
        Ok(Plan::new(calls.collect::<Result<_, _>>()?, up_to, self.full))
    }
}

impl Planned {
    fn call(&self, task_id: &str) -> Result<Call, Error> {
        let refused =
            |error| Error::new(ErrorKind::Malformed, "read the plan of the task", task_id).with_source(error);
        let indicator = registry().get(&self.abbreviation).map_err(refused)?;
        let Json::Object(pairs) = &self.parameters else {
            return Err(Error::new(ErrorKind::Malformed, "read the plan of the task", task_id)
                .with_detail("parameters are an object"));
        };
        let given: Vec<(&str, Given)> =
            pairs.iter().map(|(name, value)| (name.as_str(), given(value))).collect();
        Ok(Call { indicator, params: indicator.canonical(&given).map_err(refused)? })
    }
}

fn given(value: &Json) -> Given {
    match value {
        Json::Int(value) => value.as_i64().map_or(Given::Other("a huge integer"), Given::Int),
        Json::Float(value) => Given::Float(*value),
        _ => Given::Other("no number"),
    }
}
