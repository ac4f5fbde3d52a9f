"""What travels between the stages: schema, samples, harvest, anchors."""
