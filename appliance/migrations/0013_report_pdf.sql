-- What goes with a mail as a PDF, as long as the mail waits.
ALTER TABLE mail ADD COLUMN pdf BLOB;
