package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"parley/worker/bundle"
	"parley/worker/pipeline"
)

func modelsCommand() *cobra.Command {
	models := &cobra.Command{Use: "models", Short: "Model bundles"}
	models.AddCommand(modelsListCommand(), modelsVerifyCommand())
	return models
}

func modelsListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the bundles of the models folder", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			dirs, err := bundle.List(cfg.Models)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "BUNDLE\tKIND\tFOLDER")
			for _, dir := range dirs {
				b, err := bundle.Open(dir)
				if err != nil {
					fmt.Fprintf(table, "?\t%v\t%s\n", err, dir)
					continue
				}
				fmt.Fprintf(table, "%s\t%s\t%s\n", b.Name, b.Kind, dir)
			}
			return table.Flush()
		},
	}
}

func modelsVerifyCommand() *cobra.Command {
	var asJSON bool
	verify := &cobra.Command{
		Use: "verify DIR…", Short: "Check bundles: files and digests, that they load, and every case of reference.json", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			reports := make([]*pipeline.Report, 0, len(dirs))
			for _, dir := range dirs {
				r, err := pipeline.Verify(cmd.Context(), dir, pipeline.Options{Library: cfg.ONNXLibrary, Threads: cfg.WorkerThreads})
				if err != nil {
					return fmt.Errorf("verify %s: %w", dir, err)
				}
				reports = append(reports, r)
			}
			return printReports(cmd.OutOrStdout(), reports, asJSON)
		},
	}
	verify.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return verify
}
