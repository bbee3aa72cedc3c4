<?php echo "Who are you?";
