-- The customers in one range of numbers that changed in the run's month. Airflow renders the month into the text. The
-- range is passed as parameters, because values of a table must not become part of a statement.
SELECT customer_no AS user_id, phone AS phone_number, email AS email_address, name
FROM customers
WHERE customer_no >= :first AND customer_no < :end
  AND updated_at >= '{{ data_interval_start | ds }}' AND updated_at < '{{ data_interval_end | ds }}'
ORDER BY customer_no
