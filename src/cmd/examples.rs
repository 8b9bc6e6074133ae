//! The event files of `example-json/`, in the program itself: the demo needs nothing beside it.

macro_rules! examples {
    ($($name:literal,)+) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/example-json/", $name)))),+]
    };
}

/// Names and bodies of the events.
pub(super) const EXAMPLES: &[(&str, &[u8])] = examples![
    "approval_completed.json",
    "approval_pending.json",
    "build_completed.json",
    "build_completed.on_premises.json",
    "build_completed.visualstudio.json",
    "build_failed.json",
    "build_partially_succeeded.json",
    "build_stopped.v1.json",
    "build_triggered.json",
    "completed_build.json",
    "deployment_approval_completed.json",
    "deployment_approval_pending.json",
    "deployment_completed.json",
    "deployment_started.json",
    "get_build_id_api_result.json",
    "git_push.json",
    "job_completed.2022.json",
    "job_completed.json",
    "job_running.2022.json",
    "job_running.json",
    "job_waiting.json",
    "pull_request_created.json",
    "pull_request_merged.json",
    "pull_request_updated.completed.json",
    "pull_request_updated.vote.json",
    "release_abandoned.json",
    "release_created.json",
    "run_canceled.json",
    "run_canceling.2019.json",
    "run_canceling.json",
    "run_completed.2019.json",
    "run_completed.2022.json",
    "run_completed.json",
    "run_completed.on_premises.json",
    "run_completed.visualstudio.json",
    "run_in_progress.2019.json",
    "run_in_progress.2022.json",
    "run_in_progress.consumes.json",
    "run_in_progress.json",
    "stage_completed.2019.json",
    "stage_completed.2022.json",
    "stage_completed.json",
    "stage_failed.2019.json",
    "stage_failed.json",
    "stage_not_started.2019.json",
    "stage_not_started.json",
    "stage_retried.json",
    "stage_running.2019.json",
    "stage_running.2022.json",
    "stage_running.json",
    "stage_state_change.json",
    "stage_waiting.2019.json",
    "stage_waiting.json",
    "started_build.json",
    "work_item_commented.ignored.json",
    "work_item_created.json",
    "work_item_updated.active.json",
    "work_item_updated.linked.json",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_file_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/example-json");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<_> = files.filter(|name| name.ends_with(".json")).collect();
        files.sort();
        let names: Vec<_> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, files);
    }
}
