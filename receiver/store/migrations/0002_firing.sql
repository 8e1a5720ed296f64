-- Whether an incident still has a firing episode is asked for every alert that resolves.
CREATE INDEX episodes_firing ON episodes (incident) WHERE resolved IS NULL;
