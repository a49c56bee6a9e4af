-- What rows are selected by: how often the student answers them right, and quotas.

-- How often the student answers one candidate right, where a recipe selects by that (`quality.pass_rate`).
CREATE TABLE pass_rate (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- candidate.id
  candidate VARCHAR NOT NULL,
  -- Share of right answers, 0 to 1.
  rate DOUBLE NOT NULL,
  -- Answers that come to the target; NULL where none were drawn.
  n_right INTEGER,
  -- Answers that were drawn and could be had.
  n_answers INTEGER,
  -- sampled, or label_likelihood: the probability of the target among the allowed answers.
  how VARCHAR NOT NULL
);

-- What became in a round of each group with a lower bound in `augment.quotas`, or with an upper one that kept rows out.
CREATE TABLE quota_status (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- Place in the recipe's `augment.quotas`, from 0.
  quota INTEGER NOT NULL,
  -- label, answer, or the SQL by which rows are grouped.
  what VARCHAR NOT NULL,
  -- The group: a label, an answer, or the value of the SQL.
  value VARCHAR NOT NULL,
  -- Rows; 0 without a lower bound.
  at_least INTEGER NOT NULL,
  at_most INTEGER,
  -- Candidates of the round that are in the group.
  written INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  -- Those that became training rows.
  joined INTEGER NOT NULL,
  -- Accepted rows that the upper bound kept out.
  held_back INTEGER NOT NULL,
  -- Rows to the lower bound.
  missing INTEGER NOT NULL,
  -- Why they are missing; empty where none are.
  reason VARCHAR NOT NULL
);

COMMENT ON COLUMN all_lineage.left_out IS 'why an accepted row was not selected (over_quota, at_most: more than a quota allows, duplicate); NULL otherwise';
