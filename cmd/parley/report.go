package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"parley/worker/pipeline"
)

// printReports writes what verify found and gives errReported when a bundle
// is not as it should be. The last line is a summary.
func printReports(w io.Writer, reports []*pipeline.Report, asJSON bool) error {
	good, cases, equal := 0, 0, 0
	for _, r := range reports {
		if r.OK {
			good++
		}
		for _, t := range []pipeline.Tally{r.Cases, r.Batch, r.Tokens} {
			cases += t.Total
			equal += t.Equal
		}
	}
	var err error
	if asJSON {
		err = printJSON(w, reports)
	} else if err = printTable(w, reports); err == nil {
		_, err = fmt.Fprintf(w, "%d of %d bundles are as they should be; %d of %d reference cases are equal\n", good, len(reports), equal, cases)
	}
	if err == nil && good < len(reports) {
		return errReported
	}
	return err
}

func printJSON(w io.Writer, reports []*pipeline.Report) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(reports)
}

func printTable(w io.Writer, reports []*pipeline.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BUNDLE\tKIND\tDIGESTS\tLOADS\tGENERATION\tBATCH\tTOKENS\tRESULT")
	for _, r := range reports {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Kind, r.Digests(), loads(r),
			tally(r, r.Cases), tally(r, r.Batch), tally(r, r.Tokens), result(r))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range reports {
		for _, line := range append(r.Problems, r.Differences...) {
			if _, err := fmt.Fprintf(w, "%s: %s\n", r.Name, line); err != nil {
				return err
			}
		}
	}
	return nil
}

func loads(r *pipeline.Report) string {
	switch {
	case r.Loaded:
		return strconv.FormatInt(r.LoadMillis, 10) + " ms"
	case !r.Runnable:
		return "can't run yet"
	}
	return "no"
}

func tally(r *pipeline.Report, t pipeline.Tally) string {
	if !r.Runnable || !r.Reference {
		return "-"
	}
	return fmt.Sprintf("%d/%d", t.Equal, t.Total)
}

func result(r *pipeline.Report) string {
	if r.OK {
		return "ok"
	}
	return "DIFFERS"
}
