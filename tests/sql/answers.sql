-- {cpi}, {payrolls} and {upper} stand for ids of series. One query a line, asked of the door and of the oracle.
SELECT date, value FROM data_points WHERE series_id = '{cpi}' AND date >= '2002-01-01'
SELECT series_id, date, revision_date, value, is_original_release FROM revisions
SELECT * EXCLUDE (created_at, updated_at) FROM data_points
SELECT * EXCLUDE (created_at, updated_at) FROM first_releases f WHERE f.date < DATE '2001-06-01'
SELECT date, value FROM data_points_as_of('2002-01-01') WHERE value IS NOT NULL
SELECT p.date, p.value FROM data_points_as_of(DATE '2001-09-09') AS p WHERE p.series_id IN ('{cpi}', 'x')
SELECT count(*), count(value), count(DISTINCT date), min(value), max(value), sum(value) FROM revisions
SELECT avg(value), stddev(value), stddev_pop(value), var_pop(value), median(value) FROM data_points
SELECT quantile_cont(value, 0.25), quantile_disc(value, 0.9) FROM data_points WHERE date < '2001-03-01'
SELECT date_trunc('quarter', date) AS q, sum(value) FROM data_points GROUP BY ALL
SELECT year(date), month(date), quarter(date), extract(year FROM date), date_part('dow', date) FROM data_points
SELECT series_id, date, lag(value) OVER (PARTITION BY series_id ORDER BY date) FROM data_points
SELECT date, sum(value) OVER w FROM data_points WHERE series_id = '{cpi}' WINDOW w AS (ORDER BY date ROWS 2 PRECEDING)
SELECT date, value / lag(value, 12) OVER (ORDER BY date) - 1 FROM data_points WHERE series_id = '{payrolls}'
SELECT date, first_value(value) OVER (PARTITION BY date, series_id ORDER BY revision_date), row_number() OVER (PARTITION BY date, series_id ORDER BY revision_date) FROM revisions
SELECT date, value FROM revisions WHERE series_id = '{cpi}' QUALIFY row_number() OVER (PARTITION BY date ORDER BY revision_date DESC) = 1
SELECT s.external_id, count(d.value) FROM series s LEFT JOIN data_points d ON d.series_id = s.id GROUP BY s.external_id
SELECT s.title, d.date FROM series s LEFT JOIN data_points d ON d.series_id = s.id AND d.date = '2002-01-01'
SELECT s.title, d.date FROM series s LEFT JOIN data_points d ON d.series_id = s.id WHERE d.date = '2002-01-01'
SELECT s.title, d.date FROM data_points d RIGHT JOIN series s ON d.series_id = s.id AND d.date = '2002-01-01'
SELECT s.title, d.date FROM data_points d FULL JOIN series s ON d.series_id = s.id AND s.external_id = 'CPI' WHERE s.frequency = 'monthly'
SELECT s.title, d.value FROM series s JOIN data_points d ON d.series_id = s.id AND d.date BETWEEN '2001-02-01' AND '2001-04-01' AND s.external_id = 'CPI'
SELECT a.date, a.value - b.value FROM data_points a JOIN first_releases b USING (series_id, date) WHERE a.date > '2002-06-01'
SELECT a.date, b.revision_date FROM data_points a ASOF JOIN revisions b ON a.series_id = b.series_id AND a.date >= b.revision_date WHERE b.date > '2001-02-01'
SELECT title FROM series s SEMI JOIN data_points d ON d.series_id = s.id
SELECT title FROM series s ANTI JOIN data_points d ON d.series_id = s.id AND d.date = '2001-01-01'
SELECT title FROM series s WHERE EXISTS (SELECT 1 FROM data_points d WHERE d.series_id = s.id AND d.date = '2001-02-01')
SELECT title FROM series WHERE id NOT IN (SELECT series_id FROM data_points WHERE date = '2001-02-01')
SELECT title, (SELECT max(value) FROM data_points WHERE series_id = series.id) FROM series
SELECT (SELECT count(*) FROM revisions r WHERE r.date = d.date AND d.series_id = '{cpi}') FROM data_points d
WITH data_points AS (SELECT * FROM data_points WHERE date < '2001-04-01') SELECT count(*) FROM data_points WHERE date > '2001-01-01'
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT x FROM a UNION ALL SELECT x FROM b
WITH a AS (SELECT 1 AS x) SELECT x FROM (WITH a AS (SELECT x + 1 AS x FROM a) SELECT x FROM a) t
WITH cte_0 AS (SELECT 1 AS x), a AS (SELECT 2 AS x) SELECT x FROM a
WITH a AS (SELECT 2 AS x) SELECT (WITH cte_0 AS (SELECT 3 AS x) SELECT min(x) FROM a)
WITH series AS (SELECT 1 AS x) SELECT x FROM series s, (SELECT 2 AS y) t
WITH p(day, v) AS (SELECT date, value FROM data_points) SELECT day, v FROM p WHERE day = '2001-05-01'
SELECT d.day FROM data_points AS d(sid, day) WHERE day = '2001-05-01'
SELECT x.date FROM (SELECT date, value FROM data_points) x WHERE x.date = '2001-05-01'
SELECT revision_date AS date FROM data_points WHERE date = '2001-05-01'
SELECT date + INTERVAL 1 MONTH AS date FROM data_points WHERE date = '2001-05-01'
SELECT date AS value, value AS date FROM data_points WHERE date = '2001-05-01'
SELECT date FROM data_points WHERE date = '2001-05-01' OR value > 800
SELECT date FROM data_points WHERE NOT (date = '2001-05-01' AND series_id = '{cpi}')
SELECT date FROM data_points WHERE (date, series_id) = (DATE '2001-05-01', '{cpi}')
SELECT date FROM data_points WHERE '2001-05-01' <= date AND ('2001-07-01' > date)
SELECT date FROM data_points WHERE series_id = '{upper}' OR FALSE
SELECT count(*) FROM data_points WHERE series_id > '{upper}'
SELECT count(*) FROM data_points WHERE series_id = upper('{cpi}')
SELECT count(*) FROM data_points WHERE is_original_release AND date < '2001-09-01'
SELECT count(*) FROM data_points WHERE value IS NULL
SELECT count(*) FROM revisions WHERE revision_date BETWEEN '2001-05-01' AND '2001-12-31' AND date IN ('2001-05-01', '2001-06-01')
SELECT date FROM data_points UNION SELECT revision_date FROM data_points EXCEPT SELECT DATE '2001-05-01'
SELECT DISTINCT series_id FROM data_points
SELECT upper(title), lower(title), trim(title), substring(title, 1, 3), replace(title, 'i', '''; --'), title || '%' FROM series
SELECT concat(title, 'x'), length(title), strpos(title, 'e'), left(title, 2), right(title, 2), reverse(title) FROM series
SELECT title FROM series WHERE title ILIKE '%PEOPLE%' OR title LIKE '!%x' ESCAPE '!' OR regexp_matches(title, '^Nothing')
SELECT regexp_replace(title, '[aeiou]', '_', 'g'), regexp_extract(title, '[a-z]+'), split_part(title, ' ', 2) FROM series
SELECT coalesce(frequency, 'none'), nullif(frequency, 'monthly'), CASE frequency WHEN 'monthly' THEN 12 ELSE 0 END FROM series
SELECT round(value, 1), abs(value), floor(value), ceil(value), sign(value), value % 7, value // 3 FROM data_points
SELECT ln(abs(value) + 1), log(abs(value) + 1), exp(1), power(value, 2), sqrt(abs(value)), log10(abs(value) + 1) FROM data_points
SELECT value::DOUBLE / 3, CAST(value AS VARCHAR), TRY_CAST(title AS INTEGER) FROM data_points, series
SELECT greatest(date, revision_date), least(date, revision_date), date_diff('day', date, revision_date), last_day(date) FROM data_points
SELECT strftime(date, '%Y-%m'), monthname(date), dayname(date), dayofyear(date), week(date), epoch(date) FROM data_points
SELECT date + INTERVAL 3 MONTH, date - INTERVAL '1 year', date + 1, make_date(2001, 2, 3), DATE '2001-01-31' FROM data_points
SELECT corr(a.value, b.value), regr_slope(a.value, b.value), covar_pop(a.value, b.value), regr_r2(a.value, b.value) FROM data_points a JOIN data_points b USING (date)
SELECT arg_max(date, value), min_by(date, value), any_value(title) FROM data_points, series WHERE external_id = 'CPI'
SELECT sum(value) FILTER (WHERE date < '2002-01-01'), count_if(value > 0), bool_and(value > 0), bool_or(value > 0) FROM data_points
SELECT year(date), count(*) FROM data_points GROUP BY ROLLUP (year(date))
SELECT string_agg(external_id, ', ' ORDER BY external_id DESC) FROM series
SELECT series_id, max(value) FROM data_points GROUP BY series_id HAVING max(value) > 100
FROM series SELECT title
(SELECT title FROM series)
SELECT 1 AS "a""b; --", 'it''s' AS "FROM 'x'", "title" FROM "series"
SELECT name, s.title FROM sources JOIN series s ON s.source_id = sources.id
SELECT count(*) FROM data_points a, data_points b WHERE a.date = '2001-01-01' AND b.date = '2001-02-01'
SELECT data_points.date FROM data_points WHERE data_points.date = '2001-01-01'
SELECT rank() OVER (ORDER BY value), dense_rank() OVER (ORDER BY value), ntile(4) OVER (ORDER BY series_id, date) FROM data_points
SELECT last_value(value IGNORE NULLS) OVER (PARTITION BY series_id ORDER BY date), lead(value, 2, 0) OVER (PARTITION BY series_id ORDER BY date) FROM data_points
SELECT d.value FROM data_points AS d(series_id, revision_date, date) WHERE d.date >= '2003-07-15'
SELECT s.title, d.date FROM series s LEFT JOIN data_points d ON d.series_id = s.id AND s.external_id = 'CPI'
SELECT d.date, s.title FROM data_points d RIGHT JOIN series s ON d.series_id = s.id AND s.external_id = 'CPI'
