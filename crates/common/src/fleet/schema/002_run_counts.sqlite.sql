-- Keeps run_counts, on SQLite.

CREATE TRIGGER runs_counted_in AFTER INSERT ON runs BEGIN
    UPDATE run_counts SET n_runs = n_runs + 1 WHERE status = NEW.status;
END;

CREATE TRIGGER runs_counted_over AFTER UPDATE OF status ON runs WHEN OLD.status <> NEW.status BEGIN
    UPDATE run_counts SET n_runs = n_runs - 1 WHERE status = OLD.status;
    UPDATE run_counts SET n_runs = n_runs + 1 WHERE status = NEW.status;
END;

CREATE TRIGGER runs_counted_out AFTER DELETE ON runs BEGIN
    UPDATE run_counts SET n_runs = n_runs - 1 WHERE status = OLD.status;
END;
