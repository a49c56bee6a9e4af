/** What one page hands to another and no address could hold; and the queries of this tab. */

export interface Past {
  sql: string;
  said: string;
}

class Handed {
  sql = $state<string | undefined>(undefined);
  text = $state("");
  /** Ids of rows that are to be reviewed: `go(["review"], { handed: "rows" })` shows them, one by one. */
  rows = $state.raw<string[]>([]);
  past = $state<Past[]>([]);
  /** What the plan of a recipe is to be made with. */
  plan: { recipe: string; limit: number | null; settings: string[] } | undefined;

  remember(sql: string, said: string): void {
    this.past = [{ sql, said }, ...this.past.filter((one) => one.sql !== sql)].slice(0, 50);
  }
}

export const handed = new Handed();
