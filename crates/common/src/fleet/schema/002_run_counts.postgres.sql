-- Keeps run_counts, on PostgreSQL.

CREATE FUNCTION count_runs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE run_counts SET n_runs = n_runs - 1 WHERE status = OLD.status;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE run_counts SET n_runs = n_runs + 1 WHERE status = NEW.status;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER runs_counted AFTER INSERT OR DELETE ON runs
    FOR EACH ROW EXECUTE FUNCTION count_runs();

CREATE TRIGGER runs_counted_over AFTER UPDATE OF status ON runs
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION count_runs();
