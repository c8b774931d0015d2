-- Which alert a message to the webhook is about, so that none overtakes an earlier one about the same.
ALTER TABLE webhook_post ADD COLUMN alert INTEGER REFERENCES alert (id) ON DELETE SET NULL;

CREATE INDEX webhook_about ON webhook_post (alert) WHERE state = 'waiting';
