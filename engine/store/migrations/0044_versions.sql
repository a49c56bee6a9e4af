-- What a run was made of, so that it can be told a year later, compared and made again.

-- What each run was made of. It decides no row, and is in no fingerprint; what could not be told is NULL.
CREATE TABLE provenance (
  run VARCHAR PRIMARY KEY,
  -- The recipe's own version, as it says itself; empty where it says none.
  version VARCHAR NOT NULL,
  -- The recipe as it was run, as YAML: vars are filled in, and what is laid over it or inherited stands in it.
  resolved VARCHAR NOT NULL,
  -- Hash of what that says, whatever its form.
  digest VARCHAR NOT NULL,
  -- Folder of the project, from which the paths of run_file count.
  project VARCHAR NOT NULL,
  -- The recipe's file, from there.
  file VARCHAR NOT NULL,
  -- Values of the recipe's vars, as JSON.
  vars JSON NOT NULL,
  -- Those of them that name places which the user gave with --var.
  places VARCHAR[] NOT NULL,
  -- Values by dotted keys that a command laid over the recipe (`--set`), as JSON.
  settings JSON NOT NULL,
  -- Address of the git repository, without user and password.
  repository VARCHAR,
  -- Its commit, in full.
  commit_hash VARCHAR,
  -- Branch that was checked out; NULL where it was a commit.
  branch VARCHAR,
  -- Tags of the commit.
  tags VARCHAR[],
  -- Files of run_file that are not as in the commit; empty where all are.
  changed VARCHAR[],
  -- SHA-256 of pada.lock; NULL where there is none.
  lock VARCHAR,
  -- Packages that the project depends on, as JSON: name, version, address, commit, hash of the content.
  packages JSON NOT NULL,
  -- Models by role, as JSON: backend, name and identity (of weights their digest).
  models JSON NOT NULL,
  -- Digest of the rows of each split, as JSON.
  data JSON NOT NULL,
  -- What it ran on, as JSON: processor, cores, memory in bytes, GPUs, platform, threads.
  hardware JSON NOT NULL
);

-- The files that each run was made of, without those that come with the engine.
CREATE TABLE run_file (
  run VARCHAR NOT NULL,
  -- From the project's folder, or from that of the package; whole where it lies in neither.
  path VARCHAR NOT NULL,
  -- Name of the package that it is from; empty for the project's own.
  package VARCHAR NOT NULL,
  -- recipe | taxonomy | method | pack | prompt | schema | operator | replies | project | lock | data
  kind VARCHAR NOT NULL,
  -- SHA-256 of the file.
  digest VARCHAR NOT NULL,
  bytes BIGINT NOT NULL,
  PRIMARY KEY (run, package, path, kind)
);

-- Texts of run_file, each once; data is not kept.
CREATE TABLE file_text (
  -- run_file.digest
  digest VARCHAR PRIMARY KEY,
  text VARCHAR NOT NULL
);

-- Replies that a node took and that another node had asked for (llm_call.node).
CREATE TABLE call_use (
  node VARCHAR NOT NULL,
  -- llm_call.id
  call VARCHAR NOT NULL,
  PRIMARY KEY (node, call)
);
