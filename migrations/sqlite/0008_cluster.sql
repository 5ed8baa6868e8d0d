-- A cluster has a PostgreSQL: what its nodes share is there alone.
SELECT 1;
