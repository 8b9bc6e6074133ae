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
    pool TEXT, -- of agents
    url TEXT,
    queued INTEGER, -- times are 100 ns ticks since 1970
    started INTEGER,
    finished INTEGER,
    project TEXT AS (coalesce(project_id, project_name)) -- what tells it from others, as far as that is known
);
-- Each way to a page of runs has its own index, and each ends with the order of the list: pages.rs chooses.
CREATE UNIQUE INDEX runs_order ON runs (run, organization, pipeline);
CREATE INDEX runs_pipeline ON runs (organization, pipeline, run);
CREATE INDEX runs_branch ON runs (branch, run, pipeline);
CREATE INDEX runs_project ON runs (project COLLATE NOCASE, run);
CREATE INDEX runs_asked ON runs (requested_for COLLATE NOCASE, run);
CREATE INDEX runs_commit ON runs (commit_id);
-- What few runs are: nearly all are completed, and most of them succeeded.
CREATE INDEX runs_live ON runs (state COLLATE NOCASE, run, organization, pipeline) WHERE state IS NOT 'completed';
CREATE INDEX runs_troubled ON runs (result COLLATE NOCASE, run, branch, pipeline)
    WHERE result IS NOT NULL AND result <> 'succeeded';
-- The last runs of a pipeline on a branch: what is broken.
CREATE INDEX runs_ended ON runs (organization, pipeline, branch, run, result) WHERE result IS NOT NULL;
CREATE INDEX runs_by_name ON runs (name, organization);
-- What would have to be counted.
CREATE TABLE pipelines (
    organization TEXT NOT NULL,
    pipeline INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    repository TEXT, -- what most of the latest 100 runs built that said one
    folder TEXT, -- what the latest run said that said one
    PRIMARY KEY (organization, pipeline)
) WITHOUT ROWID;
-- Where in the order of runs to look for what is of some time: the latest and the earliest time of each 1,024 ids. The
-- one never grows less, the other never greater.
CREATE TABLE blocks (
    organization TEXT NOT NULL,
    block INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    earliest INTEGER NOT NULL,
    PRIMARY KEY (organization, block)
) WITHOUT ROWID;
CREATE TRIGGER runs_added AFTER INSERT ON runs BEGIN
    INSERT INTO pipelines (organization, pipeline, runs, repository, folder)
        VALUES (new.organization, new.pipeline, 1, new.repository, new.folder)
        ON CONFLICT DO UPDATE SET runs = runs + 1;
    -- One more of what most of them built anyway changes nothing.
    UPDATE pipelines SET repository = NULL WHERE organization = new.organization AND pipeline = new.pipeline
        AND new.repository IS NOT NULL AND repository IS NOT new.repository;
    UPDATE pipelines SET folder = NULL WHERE organization = new.organization AND pipeline = new.pipeline
        AND new.folder IS NOT NULL AND folder IS NOT new.folder;
    INSERT INTO blocks (organization, block, latest, earliest)
        VALUES (new.organization, new.run >> 10, coalesce(new.queued, new.started, new.finished, 0),
          coalesce(new.queued, new.started, new.finished, 9223372036854775807))
        ON CONFLICT DO UPDATE SET latest = max(latest, excluded.latest), earliest = min(earliest, excluded.earliest)
          WHERE excluded.latest > latest OR excluded.earliest < earliest;
END;
CREATE TRIGGER runs_moved AFTER UPDATE OF queued, started, finished ON runs
    WHEN coalesce(new.queued, new.started, new.finished) <> coalesce(old.queued, old.started, old.finished, 0) BEGIN
    UPDATE blocks SET latest = max(latest, coalesce(new.queued, new.started, new.finished)),
          earliest = min(earliest, coalesce(new.queued, new.started, new.finished))
        WHERE organization = new.organization AND block = new.run >> 10;
END;
CREATE TRIGGER runs_removed AFTER DELETE ON runs BEGIN
    UPDATE pipelines SET runs = runs - 1 WHERE organization = old.organization AND pipeline = old.pipeline;
    DELETE FROM pipelines WHERE organization = old.organization AND pipeline = old.pipeline AND runs = 0;
    UPDATE pipelines SET repository = NULL WHERE organization = old.organization AND pipeline = old.pipeline
        AND old.repository IS NOT NULL AND (SELECT count(*) FROM (SELECT 1 FROM runs r WHERE r.organization = old.organization
          AND r.pipeline = old.pipeline AND r.run > old.run AND r.repository IS NOT NULL LIMIT 100)) < 100;
    UPDATE pipelines SET folder = NULL WHERE organization = old.organization AND pipeline = old.pipeline
        AND folder = old.folder;
END;
-- Most runs say it when they are over, and say what the pipeline is known by.
CREATE TRIGGER runs_rebuilt AFTER UPDATE OF repository ON runs WHEN new.repository IS NOT old.repository BEGIN
    UPDATE pipelines SET repository = NULL WHERE organization = new.organization AND pipeline = new.pipeline
        AND (old.repository IS NOT NULL OR repository IS NOT new.repository);
END;
CREATE TRIGGER runs_filed AFTER UPDATE OF folder ON runs WHEN new.folder IS NOT old.folder BEGIN
    UPDATE pipelines SET folder = NULL WHERE organization = new.organization AND pipeline = new.pipeline
        AND folder IS NOT new.folder;
END;
-- Whoever makes one of them null has it found anew.
CREATE TRIGGER pipelines_filed AFTER UPDATE OF folder ON pipelines WHEN new.folder IS NULL BEGIN
    UPDATE pipelines SET folder = (SELECT r.folder FROM runs r INDEXED BY runs_pipeline
          WHERE r.organization = new.organization AND r.pipeline = new.pipeline AND r.folder IS NOT NULL
          ORDER BY r.run DESC LIMIT 1)
        WHERE organization = new.organization AND pipeline = new.pipeline;
END;
CREATE TRIGGER pipelines_rebuilt AFTER UPDATE OF repository ON pipelines WHEN new.repository IS NULL BEGIN
    UPDATE pipelines SET repository = (SELECT repository FROM (SELECT r.repository FROM runs r
          WHERE r.organization = new.organization AND r.pipeline = new.pipeline AND r.repository IS NOT NULL
          ORDER BY r.run DESC LIMIT 100) GROUP BY repository ORDER BY count(*) DESC, repository LIMIT 1)
        WHERE organization = new.organization AND pipeline = new.pipeline;
END;
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
    environment TEXT, -- that it guards
    at INTEGER AS (coalesce(requested, decided, 0)),
    PRIMARY KEY (run, id)
) WITHOUT ROWID;
CREATE INDEX approvals_environment ON approvals (stage, environment) WHERE environment IS NOT NULL;
-- The ways to a page of approvals, in the order of the list.
CREATE INDEX approvals_at ON approvals (at);
CREATE INDEX approvals_status ON approvals (status COLLATE NOCASE, at);
-- Names that ids had last: run events carry ids only, and things are renamed.
CREATE TABLE names (
    kind TEXT NOT NULL, -- project, pipeline, environment or defaultBranch
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
    at INTEGER AS (coalesce(requested, decided, 0)),
    PRIMARY KEY (release, id)
) WITHOUT ROWID;
CREATE INDEX release_approvals_at ON release_approvals (at);
CREATE INDEX release_approvals_status ON release_approvals (status COLLATE NOCASE, at);
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
CREATE INDEX deployments_run ON deployments (run, organization);
-- Which stages have made records, and where.
CREATE TABLE kinds (
    organization TEXT NOT NULL,
    pipeline INTEGER NOT NULL,
    stage TEXT NOT NULL,
    project_id TEXT NOT NULL,
    environment INTEGER NOT NULL,
    PRIMARY KEY (organization, pipeline, stage, project_id, environment)
) WITHOUT ROWID;

-- Runs of which is to be found anew what they brought to environments, the newest first: deployed.rs takes them in slices.
CREATE TABLE to_find (
    organization TEXT NOT NULL,
    kind TEXT NOT NULL, -- all runs of a pipeline or of a project
    id TEXT NOT NULL,
    upto INTEGER NOT NULL, -- those with greater ids are done
    PRIMARY KEY (organization, kind, id)
) WITHOUT ROWID;

-- What came to environments, whoever says so: deployed.rs keeps it in step with the tables that it follows from.
-- A place is where a pipeline brings something, or the definition of a release.
CREATE TABLE places (
    id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    project_id TEXT NOT NULL,
    source TEXT NOT NULL, -- pipeline or release
    environment INTEGER NOT NULL, -- zero for a release
    name TEXT NOT NULL, -- of an environment of a release, else empty
    pipeline INTEGER NOT NULL, -- or definition; -1 where it is not known
    project_name TEXT,
    pipeline_name TEXT,
    total INTEGER NOT NULL DEFAULT 0,
    live INTEGER NOT NULL DEFAULT 0,
    UNIQUE (organization, project_id, source, environment, name, pipeline)
);
CREATE INDEX places_pipeline ON places (organization, pipeline);
CREATE TABLE deployed (
    id INTEGER PRIMARY KEY,
    place INTEGER NOT NULL,
    organization TEXT NOT NULL,
    run INTEGER,
    run_name TEXT,
    pipeline_name TEXT,
    release INTEGER,
    release_name TEXT,
    stage TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT,
    result TEXT,
    started INTEGER,
    finished INTEGER,
    rule TEXT NOT NULL,
    at INTEGER AS (coalesce(started, finished, 0)),
    done INTEGER AS (coalesce(finished, started))
);
CREATE INDEX deployed_run ON deployed (organization, run);
CREATE INDEX deployed_release ON deployed (organization, release) WHERE release IS NOT NULL;
CREATE INDEX deployed_at ON deployed (at);
CREATE INDEX deployed_last ON deployed (place, at, release, run, attempt);
CREATE INDEX deployed_current ON deployed (place, done, release, run, attempt)
    WHERE result IN ('succeeded', 'partiallySucceeded');
CREATE TRIGGER deployed_added AFTER INSERT ON deployed BEGIN
    UPDATE places SET total = total + 1, live = live + (new.state IS NOT 'completed') WHERE id = new.place;
END;
CREATE TRIGGER deployed_removed AFTER DELETE ON deployed BEGIN
    UPDATE places SET total = total - 1, live = live - (old.state IS NOT 'completed') WHERE id = old.place;
END;

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
CREATE INDEX commits_by_id ON commits (id, organization, at);
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
    tags TEXT, -- with ; between
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
CREATE INDEX deployments_of_stage ON deployments (organization, pipeline, stage, project_id, environment, finished);
CREATE INDEX releases_newest ON releases (organization, release DESC, project_id);
CREATE INDEX releases_of ON releases (organization, definition, release);
CREATE INDEX release_stages_finished ON release_stages (finished);
CREATE INDEX pull_requests_closed ON pull_requests (closed);
CREATE INDEX work_items_by_type ON work_items (type, created, organization, project, id, states, tags);
CREATE INDEX work_items_of ON work_items (type, organization, coalesce(project, ''));
-- All that is asked of a push in one row.
CREATE TABLE ref_updates (
    name TEXT NOT NULL,
    pushed INTEGER NOT NULL,
    source TEXT NOT NULL, -- the key of the push
    organization TEXT NOT NULL,
    project_id TEXT,
    project_name TEXT,
    repository TEXT,
    old TEXT,
    new TEXT NOT NULL,
    commits TEXT NOT NULL, -- a JSON array of [id, when it was made]
    PRIMARY KEY (pushed, name, source)
) WITHOUT ROWID;
CREATE INDEX ref_updates_of ON ref_updates (source);
CREATE TABLE pull_request_commits (
    source TEXT NOT NULL, -- the key of the pull request
    id TEXT NOT NULL,
    PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE INDEX pull_request_commits_by_id ON pull_request_commits (id);
-- What came between two runs, as far as anybody asked.
CREATE TABLE compared (
    source TEXT NOT NULL, -- the key of the later run's changes
    since INTEGER NOT NULL, -- the earlier run
    commits TEXT NOT NULL, -- as in ref_updates
    PRIMARY KEY (source, since)
) WITHOUT ROWID;

-- What people and scripts told of.
CREATE TABLE incidents (
    source TEXT PRIMARY KEY, -- the key of the record
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT, -- nobody tells it
    project_name TEXT,
    title TEXT,
    url TEXT,
    environment TEXT,
    pipeline TEXT, -- its name or id
    run INTEGER,
    commit_id TEXT,
    opened INTEGER,
    resolved INTEGER
) WITHOUT ROWID;
CREATE INDEX incidents_opened ON incidents (opened);
CREATE TABLE reports (
    source TEXT NOT NULL, -- the key of the record
    at INTEGER NOT NULL,
    organization TEXT NOT NULL,
    kind TEXT NOT NULL,
    project_id TEXT, -- nobody tells it
    project_name TEXT,
    subject TEXT NOT NULL, -- a pipeline, or a repository
    repository TEXT,
    environment TEXT,
    branch TEXT,
    pull_request TEXT,
    commit_id TEXT,
    commits TEXT NOT NULL, -- a JSON array of ids
    result TEXT,
    is_fix INTEGER NOT NULL,
    PRIMARY KEY (source, at)
) WITHOUT ROWID;
CREATE INDEX reports_at ON reports (kind, at);
CREATE INDEX reports_of ON reports (organization, subject, kind, at);
CREATE INDEX work_items_tagged ON work_items (created) WHERE tags IS NOT NULL;
CREATE INDEX work_items_by_tags ON work_items (tags, organization, coalesce(project, '')) WHERE tags IS NOT NULL;

-- Blocks of rows, packed into cells: metrics are counted from months of them. See packed/mod.rs.
CREATE TABLE packed (
    kind TEXT NOT NULL, -- runs, pushes or pullRequests
    block INTEGER NOT NULL, -- 256 runs by their ids, or a day
    earliest INTEGER, -- of the times by which its rows are asked for
    latest INTEGER, -- null where it is loose: something was written to it since
    rows BLOB,
    UNIQUE (kind, block)
);
-- What finished in stages of one name, of a block of runs: of most names nobody asks. Outdated while the block is loose.
CREATE TABLE packed_stages (
    block INTEGER NOT NULL,
    stage TEXT NOT NULL, -- or nothing: deployment records that do not say of which pipeline they are
    rows BLOB NOT NULL,
    PRIMARY KEY (block, stage)
);
CREATE INDEX packed_times ON packed (kind, latest, earliest, block);
