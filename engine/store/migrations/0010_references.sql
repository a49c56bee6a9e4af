-- All acceptable answers of a row stand beside its columns; before, several of them were a column `golds`.

-- All acceptable answers, in the form in which answers are read; the first is the target's. SQL reserves the word: write "references".
ALTER TABLE example ADD COLUMN "references" VARCHAR[];
UPDATE example SET "references" = CASE
  WHEN json_type(columns, '$.golds') = 'ARRAY' THEN from_json(columns -> '$.golds', '["VARCHAR"]')
  ELSE [target]
END;
UPDATE example SET columns = json_merge_patch(columns, '{"golds": null}')
WHERE json_type(columns, '$.golds') = 'ARRAY';
ALTER TABLE example ALTER COLUMN "references" SET NOT NULL;
