-- Holds the place of accounts.
SELECT 1;
