//! Why made-up runs failed. No event tells of it: timelines are asked for, once a run has failed.

use serde_json::{Value, json};

use super::cast::{PIPELINES, PROJECTS};
use super::script::{Moment, Run, Stage};
use super::wire::Guid;
use crate::domain::{Outcome, State, Time};

/// What the service answers to who asks for the timeline of a run that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// When it can be asked for.
    pub due: Time,
    pub run: u64,
    pub pipeline: (u64, &'static str),
    pub project: (String, &'static str),
    pub finished: Time,
    /// JSON.
    pub answer: Vec<u8>,
}

/// What goes wrong in a stage whose name begins so: the task, and its errors. Some are the same wherever they happen.
const WHY: [(&str, &str, [&str; 4]); 4] = [
    (
        "build",
        "npm run build",
        [
            "src/cart/totals.ts(41,7): error TS2339: Property 'discount' does not exist on type 'Cart'.",
            "npm error 503 Service Unavailable - GET https://registry.spartan.example/ui-kit",
            "ENOSPC: no space left on device, write",
            "npm error 503 Service Unavailable - GET https://registry.spartan.example/ui-kit",
        ],
    ),
    (
        "test",
        "npm test",
        [
            "3 of 412 tests failed",
            "connect ECONNREFUSED 10.4.0.7:5432",
            "Timeout of 30000 ms exceeded: checkout keeps the cart",
            "connect ECONNREFUSED 10.4.0.7:5432",
        ],
    ),
    (
        "deploy-",
        "helm upgrade",
        [
            "Deployment exceeded its progress deadline",
            "ImagePullBackOff: toomanyrequests: too many requests to registry.spartan.example",
            "Deployment exceeded its progress deadline",
            "connect ECONNREFUSED 10.4.0.7:5432",
        ],
    ),
    (
        "",
        "terraform",
        [
            "Error acquiring the state lock: the lease is held by another run",
            "Error: creating subnet: quota of 200 exceeded",
            "Error: provider registry did not answer within 30 s",
            "Error acquiring the state lock: the lease is held by another run",
        ],
    ),
];

/// The timeline that this moment of a run leaves: where a stage failed.
pub(super) fn timeline(run: &Run, moment: &Moment, due: Time) -> Option<Timeline> {
    let Moment::Run { end: Some((Outcome::Failed, finished)), stages, .. } = moment else { return None };
    let failed = stages.iter().find(|stage| stage.result == Some(Outcome::Failed))?;
    let pipeline = PIPELINES.get(run.pipeline)?;
    let project = PROJECTS.get(pipeline.project).copied()?;
    let records: Vec<_> = stages.iter().filter_map(record).chain(inside(run, failed)?).collect();
    Some(Timeline {
        due,
        run: run.id,
        pipeline: (pipeline.id, pipeline.name),
        project: (Guid::of(project).to_string(), project),
        finished: *finished,
        answer: json!({"records": records}).to_string().into_bytes(),
    })
}

fn record(stage: &Stage) -> Option<Value> {
    let id = Guid::of(stage.name);
    Some(json!({
        "id": id, "parentId": null, "type": "Stage", "name": stage.name, "identifier": stage.name,
        "attempt": stage.attempt, "state": (stage.state == State::Completed).then_some("completed")?,
        "result": stage.result.as_ref()?.as_str(),
        "startTime": stage.started.map(|at| at.to_string()), "finishTime": stage.finished.map(|at| at.to_string()),
        "lastModified": "0001-01-01T00:00:00",
    }))
}

/// The job of the stage, and the task that says what is wrong.
fn inside(run: &Run, stage: &Stage) -> Option<[Value; 2]> {
    let (_, task, errors) = WHY.iter().find(|(begin, ..)| stage.name.starts_with(begin))?;
    let which = (run.plan.0 >> stage.attempt) % u128::try_from(errors.len()).ok()?;
    let error = errors.get(usize::try_from(which).ok()?)?;
    let [job, under] = ["job", "task"].map(|part| Guid::of(&format!("{part} of {}", stage.name)));
    let (started, finished) = (stage.started.map(|at| at.to_string()), stage.finished.map(|at| at.to_string()));
    let job_record = json!({
        "id": job, "parentId": Guid::of(stage.name), "type": "Job", "name": "Job", "attempt": 1,
        "identifier": format!("{}.Job", stage.name), "state": "completed", "result": "failed",
        "startTime": started, "finishTime": finished, "lastModified": "0001-01-01T00:00:00",
    });
    let task_record = json!({
        "id": under, "parentId": job, "type": "Task", "name": task, "attempt": 1,
        "state": "completed", "result": "failed", "issues": [{"type": "error", "message": error}],
        "log": {"url": format!("{}&view=logs", run.web)},
        "startTime": started, "finishTime": finished, "lastModified": "0001-01-01T00:00:00",
    });
    Some([job_record, task_record])
}
