-- The read model. Everything here follows from the records and may be dropped at any time.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    organization TEXT NOT NULL,
    pipeline INTEGER NOT NULL,
    project_id TEXT,
    project_name TEXT,
    name TEXT,
    state TEXT,
    result TEXT,
    reason TEXT,
    branch TEXT,
    commit_id TEXT,
    repository TEXT,
    requested_for TEXT,
    folder TEXT,
    url TEXT,
    queued INTEGER, -- times are 100 ns ticks since 1970
    started INTEGER,
    finished INTEGER,
    UNIQUE (run, organization, pipeline)
);
CREATE INDEX runs_pipeline ON runs (organization, pipeline, run);
CREATE INDEX runs_by_name ON runs (name, organization);
CREATE TABLE stages (
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT,
    result TEXT,
    started INTEGER,
    finished INTEGER,
    PRIMARY KEY (run, name, attempt)
) WITHOUT ROWID;
CREATE TABLE jobs (
    run INTEGER NOT NULL,
    position INTEGER NOT NULL,
    stage TEXT NOT NULL,
    stage_attempt INTEGER,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT,
    result TEXT,
    started INTEGER,
    finished INTEGER,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;
CREATE TABLE approvals (
    run INTEGER NOT NULL,
    id TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT,
    stage_attempt INTEGER,
    requested INTEGER,
    decided INTEGER,
    approvers TEXT NOT NULL, -- a JSON array of names
    PRIMARY KEY (run, id)
) WITHOUT ROWID;
-- Names that ids had last: run events carry ids only, and things are renamed.
CREATE TABLE names (
    kind TEXT NOT NULL, -- project, pipeline or environment
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    said INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, organization, id)
) WITHOUT ROWID;
-- Times in which events were lost.
CREATE TABLE gaps (
    organization TEXT NOT NULL,
    project_id TEXT NOT NULL,
    events TEXT NOT NULL, -- the event type
    start INTEGER NOT NULL,
    project_name TEXT,
    finish INTEGER, -- null while events are lost
    why TEXT,
    seen INTEGER,
    covered_to INTEGER,
    covered INTEGER NOT NULL,
    PRIMARY KEY (organization, project_id, events, start)
) WITHOUT ROWID;
CREATE INDEX gaps_start ON gaps (start);

-- Why runs failed. The index answers where else it failed so.
CREATE TABLE failures (
    run INTEGER PRIMARY KEY,
    stage TEXT,
    job TEXT,
    task TEXT,
    message TEXT,
    signature TEXT,
    log TEXT
);
CREATE INDEX failures_by_signature ON failures (signature);

-- Classic releases. The project is its id, or its name where nobody said the id.
CREATE TABLE releases (
    id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    project_id TEXT NOT NULL,
    release INTEGER NOT NULL,
    project_name TEXT,
    name TEXT,
    definition INTEGER,
    definition_name TEXT,
    status TEXT,
    reason TEXT,
    created INTEGER,
    created_by TEXT,
    url TEXT,
    UNIQUE (organization, project_id, release)
);
CREATE TABLE release_stages (
    release INTEGER NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT,
    result TEXT,
    started INTEGER,
    finished INTEGER,
    PRIMARY KEY (release, name, attempt)
) WITHOUT ROWID;
CREATE TABLE release_approvals (
    release INTEGER NOT NULL,
    id TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT,
    stage TEXT,
    stage_attempt INTEGER,
    requested INTEGER,
    decided INTEGER,
    approvers TEXT NOT NULL, -- a JSON array of names
    PRIMARY KEY (release, id)
) WITHOUT ROWID;
CREATE TABLE release_artifacts (
    release INTEGER NOT NULL,
    alias TEXT NOT NULL,
    kind TEXT,
    source_id TEXT,
    source_name TEXT,
    version_id TEXT,
    version_name TEXT,
    branch TEXT,
    prime INTEGER NOT NULL, -- it names the release
    run INTEGER, -- that made it, where it is a build
    PRIMARY KEY (release, alias)
) WITHOUT ROWID;

-- What runs brought to environments, as the deployment records say.
CREATE TABLE deployments (
    organization TEXT NOT NULL,
    project_id TEXT NOT NULL,
    environment INTEGER NOT NULL,
    run INTEGER NOT NULL,
    stage TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    project_name TEXT,
    pipeline INTEGER,
    pipeline_name TEXT,
    run_name TEXT,
    state TEXT,
    result TEXT,
    started INTEGER,
    finished INTEGER,
    PRIMARY KEY (organization, project_id, environment, run, stage, attempt)
) WITHOUT ROWID;
CREATE INDEX deployments_run ON deployments (organization, run);

-- Commits, as each record tells of them.
CREATE TABLE commits (
    source TEXT NOT NULL, -- the key of the record
    id TEXT NOT NULL,
    organization TEXT NOT NULL,
    repository TEXT,
    author TEXT,
    message TEXT,
    at INTEGER,
    PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE INDEX commits_by_id ON commits (id, organization);
CREATE TABLE pushes (
    source TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    push INTEGER NOT NULL,
    project_id TEXT,
    project_name TEXT,
    repository TEXT,
    refs TEXT NOT NULL, -- a JSON array of names
    pushed_by TEXT,
    pushed INTEGER
) WITHOUT ROWID;
CREATE TABLE pull_requests (
    source TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    id INTEGER NOT NULL,
    repository_id TEXT NOT NULL,
    project_id TEXT,
    project_name TEXT,
    repository TEXT,
    title TEXT,
    status TEXT,
    merge_status TEXT,
    source_branch TEXT,
    target_branch TEXT,
    created_by TEXT,
    merged_by TEXT,
    url TEXT,
    created INTEGER,
    first_approved INTEGER,
    closed INTEGER,
    merge_commit TEXT,
    votes TEXT NOT NULL -- a JSON array of {name, vote, isTeam}
) WITHOUT ROWID;
CREATE INDEX pull_requests_by_id ON pull_requests (id, organization);
CREATE TABLE work_items (
    source TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    id INTEGER NOT NULL,
    project TEXT,
    type TEXT,
    title TEXT,
    state TEXT,
    reason TEXT,
    assigned_to TEXT,
    area TEXT,
    iteration TEXT,
    parent INTEGER,
    url TEXT,
    created INTEGER,
    states TEXT NOT NULL -- a JSON array of [state, since]
) WITHOUT ROWID;
CREATE INDEX work_items_by_id ON work_items (id, organization);

-- What leads to what, as each record by itself says it. Whoever asks joins them.
CREATE TABLE refs (
    source TEXT NOT NULL, -- the key of the record
    position INTEGER NOT NULL,
    organization TEXT NOT NULL,
    cause_kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    effect_kind TEXT NOT NULL,
    effect TEXT NOT NULL,
    rule TEXT NOT NULL,
    certain INTEGER NOT NULL,
    when_kind TEXT NOT NULL, -- what has to hold, or empty
    when_text TEXT NOT NULL,
    digest INTEGER NOT NULL, -- of all references of the record
    PRIMARY KEY (source, position)
) WITHOUT ROWID;
CREATE INDEX refs_by_cause ON refs (cause, cause_kind, organization);
CREATE INDEX refs_by_effect ON refs (effect, effect_kind, organization);

-- What the deployment chain is gathered by.
CREATE INDEX runs_by_repository ON runs (organization, repository, run);
CREATE INDEX pushes_by_repository ON pushes (organization, repository, pushed);
CREATE INDEX pull_requests_by_repository ON pull_requests (organization, repository, id);

-- What clusters told of commits of manifests.
CREATE TABLE cluster_syncs (
    source TEXT NOT NULL, -- the key of the record
    cluster TEXT NOT NULL,
    organization TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    state TEXT NOT NULL,
    succeeded INTEGER NOT NULL,
    message TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (source, cluster)
) WITHOUT ROWID;
CREATE INDEX cluster_syncs_by_commit ON cluster_syncs (commit_id, organization);
-- For delivery metrics: what finished when, and what moved the branches.
CREATE INDEX stages_finished ON stages (name, finished) WHERE finished IS NOT NULL;
CREATE INDEX deployments_finished ON deployments (finished);
CREATE INDEX deployments_of_stage ON deployments (organization, pipeline, stage, project_id, environment, finished);
CREATE INDEX release_stages_finished ON release_stages (finished);
CREATE INDEX pull_requests_closed ON pull_requests (closed);
CREATE INDEX work_items_by_type ON work_items (type, created);
CREATE TABLE ref_updates (
    source TEXT NOT NULL, -- the key of the push
    name TEXT NOT NULL,
    old TEXT,
    new TEXT NOT NULL,
    pushed INTEGER,
    PRIMARY KEY (source, name)
) WITHOUT ROWID;
CREATE INDEX ref_updates_pushed ON ref_updates (name, pushed);
CREATE TABLE pull_request_commits (
    source TEXT NOT NULL, -- the key of the pull request
    id TEXT NOT NULL,
    PRIMARY KEY (source, id)
) WITHOUT ROWID;
